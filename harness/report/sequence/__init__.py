"""The picture of messages: a trace of a simulated run as a space-time diagram around its failure.

Lamport drew processes as lines, messages as arrows between them, and time downwards; so does this. The parts:

    model      what there is to draw, frozen and ready to be JSON; knows nothing of pixels
    messages   sends paired with what was received; what became of a frame that never arrived; labels
    standing   each node's line: process, role, ballot, and the marks on it
    causes     which lines of the trace belong to the operations that a verdict is about
    window     which part of a long trace is shown, and what is said of the rest
    page       the report's section: the picture as JSON, and as text
    build      all of it together: ``sequence_of``

The page's script (``sequence.js``) lays it out, because what is shown, and therefore where, is the reader's choice.
"""

from harness.report.sequence.build import read_sequence, replay_of, sequence_of
from harness.report.sequence.model import Sequence

__all__ = ["Sequence", "read_sequence", "replay_of", "sequence_of"]
