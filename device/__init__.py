"""The instrument: processes, screen, serial line, disk."""
