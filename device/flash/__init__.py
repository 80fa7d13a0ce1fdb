"""Flashing models: who may sign one, where it is kept, how it is changed without losing any."""
