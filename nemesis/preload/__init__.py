"""What is loaded into a program under test before it begins (LD_PRELOAD), and what tells it what to do.

``clock.c`` bends the clocks of one process; ``page`` is what it is told by; ``library`` finds or builds it, and the one
of ``nemesis.shim`` as well; ``program`` says of which programs it has no hold.
"""
