"""The pure core of Multi-Paxos: ``step(now, event) -> Effects``, and nothing else.

Rules of this package, held by import-linter:

1. No I/O, no clock, no randomness, no threads. Readings of the clock come in with each step, the random stream once
   at the start. So the same core runs under the asyncio server and under a simulator, and the same inputs give the
   same outputs, byte by byte.
2. An acknowledgement exists only in ``Effects.send_after_persist``, tied to the number of the log record that has to
   be durable before it may leave. "Answer only after the fsync" is a shape here, not a discipline; a node that counts
   its own vote too early would have to invent the vote, because its own vote travels the same way.
3. The core does not know what it agrees on: a value is a tuple of opaque commands, and the empty tuple is a no-op.

The protocol is Multi-Paxos as in Lamport, *Paxos Made Simple* (2001), section 3: Phase 1 once per leadership for all
open slots together, then one Accept round a slot. What the paper leaves open (who leads, how gaps close, how reads are
served, what is kept on disk) is written at the place that decides it.
"""
