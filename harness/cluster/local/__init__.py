"""The place ``local``: nodes as processes on this machine, in network namespaces of their own.

Three kinds of process take part, so that each may fail alone and none leaves anything behind:

- the *controller* (``cluster.LocalCluster``), an ordinary asyncio program that never changes its own namespaces;
- one *warden* per cluster (``warden``), which enters the namespaces, starts and ends the nodes, and dials them;
- one *switch* per cluster (``switch``), which carries every frame between the nodes, and is where links are cut.

This file imports nothing: the warden starts as ``python -m harness.cluster.local.warden``, and what is imported here
would be paid for at each set-up.
"""
