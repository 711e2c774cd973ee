"""The museum of planted bugs: each module is one classic mistake, planted by replacing one part of a healthy node.

A harness that never meets a broken system proves nothing when it is silent. Each module tells its bug's story: what is
wrong, who had it in real life, which faults expose it and which checker must say so; ``plant`` takes a healthy
``Assembly`` and returns the broken one. The healthy code knows nothing of them.
"""
