"""Every byte that comes from outside, under libFuzzer: ``make fuzz``, or ``python -m tests.fuzz``.

One target is one seam. What was found, and the inputs that reach furthest, are in
``tests/fuzz/corpus``, which ``test_corpus.py`` runs with the ordinary suite, without libFuzzer.
Atheris is libFuzzer for Python: it ran four times as many inputs per second as an engine of our
own over ``sys.settrace`` did, and its guidance needs no upkeep here.
"""
