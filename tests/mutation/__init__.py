"""Defects put into a copy of the product one at a time, to see whether the tests notice."""
