"""The serial line: one JSON object per line, numbered and checked. See docs/serial-protocol.md."""
