"""The controller: plans faults and operations from a seed, carries them out, records, checks and reports.

The only package that knows all the others.
"""

__version__ = "0.1.0"
