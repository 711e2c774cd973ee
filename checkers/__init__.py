"""Checkers: a recorded history in, a verdict out.

Everything here is pure: no network, no clock of its own, no randomness, nothing of the rest of the project. A
verdict of hours of fault injection must be reproducible from the file alone, by anyone, years later; that is
only so when the code which judges knows nothing of how the history came to be.
"""
