"""Faults as data, and how each is injected, healed and evidenced.

A fault is a frozen struct with exact semantics and a stable name in scenarios. What happened to it in a run is a
``FaultRecord``: installed, skipped or indeterminate, by what was observed and not by what was asked for.
"""
