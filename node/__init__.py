"""A Multi-Paxos node: a pure core (``node.paxos``), a replicated key-value store around it, and a server around that.

It knows nothing of the harness that breaks it, and runs alone: ``python -m node serve --help``.
"""
