"""Wires and chips, and their simulated twins. Knows no other room."""
