"""Many seeds of one scenario, simulated or on real processes, over all processors: what ``antipaxos explore`` does.

    seedrange   which seeds
    findings    what one run came to, small; and what makes two failures the same
    tally       all runs together, folded in the order of their seeds
    worker      the process that carries runs out, one after the other
    pool        the workers: fed, watched, replaced
    keeping     what becomes of the folder of a run that failed
    explorer    pool into tally; failing runs into the store
    screen      progress, table, summary

Workers finish in any order, but the tally takes them in the order of seeds. So whatever is reported (which seed was
first, which folders are kept, where ``--stop-at-first`` stops) depends on the seeds alone, never on the machine.
"""
