"""The museum of planted bugs, shown: what ``antipaxos bugs`` does.

    exhibits    the bugs of ``node/bugs`` with their stories, their scenarios, and what must be said of them
    worker      the process that carries runs out, with and without the bug, and asks whether it was reached
    here        the same for runs on real processes
    hall        exhibits to workers, answers in the order of seeds, until each was caught often enough
    screen      progress, table, one exhibit's story
    page        docs/museum.md, written from the exhibits

Each seed is run twice, with the bug and without: what is said of the healthy node under the same seed is a false alarm,
and would make the catch worth nothing.
"""
