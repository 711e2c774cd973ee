"""A real folder that forgets: a FUSE file system of our own over a folder of the machine's, with an undo journal.

- ``stored``: the content of a file, in a file of the machine's;
- ``volume``: the folder, what would be taken back from it, its troubles and how long a sync takes;
- ``mount``: the volume as a file system, over mfusepy.

This file imports nothing: whoever has no use for FUSE does not pay for it.
"""
