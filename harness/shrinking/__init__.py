"""Shrinking: from a run that failed to the smallest scenario that still fails for the same reason.

A *candidate* is a run's content, all of it sayable in a scenario file: faults at fixed times, the clients' operations
one by one, how many nodes. *Passes* propose smaller candidates, an *oracle* carries them out in simulation and says
whether they fail, the *shrinker* accepts the first that does. The rest is around it: a journal that makes it resumable,
the story in words, the scenario file and its test.
"""
