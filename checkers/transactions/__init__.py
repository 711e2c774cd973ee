"""Histories of transactions, judged by the dependencies that can be inferred from what they read and wrote.

The method is Elle's (Kingsbury and Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations", VLDB
2020) on the formalism of Adya ("Weak Consistency", 1999): from unique writes and from reads follows which transaction
must have come before which; a cycle among these is an anomaly with a name, and each name rules out some models of
consistency. Nothing is searched for but cycles, so a hundred thousand transactions take seconds, where an order of all
of them could not be found.

What is told is sound: an anomaly is a proof from the operations that it names. It is not complete: a history without
anomalies may still be one that no order explains.

- ``transactions``: the history as transactions of reads and writes;
- ``lists``, ``registers``: what each kind of object says about versions and their order;
- ``graph``: dependencies as arrays, and what is strongly connected among them;
- ``cycles``: short cycles of each kind in what is strongly connected;
- ``consistency``: what each anomaly rules out, as data;
- ``stories``, ``drawing``: a cycle in words and as a picture;
- ``checker``: all of it together.
"""
