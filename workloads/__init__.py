"""What clients do, and which checkers judge it.

A workload plans operations from a stream of draws, fills in at run time what only the run can know (what a client saw
last), and names the checkers that its history must pass.
"""
