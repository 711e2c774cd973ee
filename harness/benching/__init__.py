"""``antipaxos bench``: how fast the node is, beside what limits it and beside others, in one run on one machine."""
