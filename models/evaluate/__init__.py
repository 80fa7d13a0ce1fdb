"""Measure a network: alone, in the device, on foreign records, spoiled, timed."""
