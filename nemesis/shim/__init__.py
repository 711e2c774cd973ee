"""Disks that forget where FUSE is closed: a preload library that journals what a program does to its folder.

- ``disk.c``: the library; each call on a file in the folder is written down, with what it takes to undo it, before it
  is done, and fails, lies and waits as a control page says;
- ``page``: the control page;
- ``shimmed``: reads the journal when the program is dead and takes back what was not synced, by the rules of
  ``nemesis.undo``.

``nemesis.preload.library`` builds it. It sees what a dynamically linked program calls by name; what it cannot see it
counts.
"""
