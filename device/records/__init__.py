"""Samples and calls on disk."""
