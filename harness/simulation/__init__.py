"""A world in one process and in virtual time: an event loop, a network, disks, and nodes made of the real node's code.

Nothing in here decides what a run does; it is one more place (``harness.cluster.simulated``) for the same runner, plan,
clients and checkers. Everything that happens is an event with a time and a number, so a seed is a whole run.
"""
