"""What technicians and QA run: the ``lead12`` command."""
