"""The one error of the warden's and the switch's side.

It is not ``ClusterError``, since these processes import nothing but this package (they have to start fast, and must
not fail because of something that they do not need). ``cluster`` turns it into ``ClusterError`` for its callers.
"""


class LocalError(Exception):
    """Something of this place failed; the text says what, and what to do where that is known."""
