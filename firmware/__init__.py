"""Samples in, calls out: pure and deterministic. No I/O, no threads, no clock."""
