"""Protocol coverage: which rare events of the node are counted, and which simulated scenario reaches each of them.

A campaign's silence means something only for what it has met. ``table`` has a line for every counter of the node,
``scenarios`` the scenario files that reach them, ``survey`` runs those, and ``page`` writes docs/coverage.md.
"""
