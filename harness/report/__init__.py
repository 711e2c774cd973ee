"""Reports of a run: what a person opens when the verdict is not enough.

Each report is a pure function of a finished run, its result and its history, so it can be written again at any time
from the store. The HTML page is one file without a single request to a network: it is mailed, attached to an issue
and opened years later.
"""

from harness.report.html import write_report

__all__ = ["write_report"]
