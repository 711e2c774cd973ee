"""The words of the command line, one file each: a function whose arguments are its options, known to ``harness.cli``.

They read what was asked for, call what does it, and say what came of it; nothing is decided here.
"""
