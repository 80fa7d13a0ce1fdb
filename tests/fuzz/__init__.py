"""A small fuzzer: inputs that reach new lines are kept and changed further.

``python -m tests.fuzz bundle --seconds 600`` or ``upload``; findings are written to
``tests/fuzz/corpus``, whose files ``test_corpus.py`` replays.
"""
