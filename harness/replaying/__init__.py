"""Replays: the same run again, and what is the same about it.

In simulation a seed is a whole run, so a replay is compared byte for byte (``comparison``, ``simulated``) and can be
taken down in lines or broken off to look inside (``recording``, ``inside``). On real processes only the plan is the
same, so replays are counted, and the rate at which they fail the same way is measured (``measured``, ``wilson``).
"""
