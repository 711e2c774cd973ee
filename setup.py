"""The clock library and the search in C are built with the package where there is a compiler.

Without one the package installs all the same: the search is in Python then. Everything else about the package is in
pyproject.toml. Neither is a module: they are libraries, which setuptools knows how to build.
"""

import hashlib
from pathlib import Path

from setuptools import Extension, setup

CLOCK = "nemesis/preload/clock.c"
SEARCH = "checkers/native/search.c"


def source_sha256(path: str) -> tuple[str, str]:
    """Return the macro by which a library knows of what source it is."""
    return ("SOURCE_SHA256", f'"{hashlib.sha256(Path(path).read_bytes()).hexdigest()}"')


setup(
    ext_modules=[
        Extension(
            "nemesis.preload._clock",  # for LD_PRELOAD
            [CLOCK],
            define_macros=[source_sha256(CLOCK)],
            libraries=["dl"],
            extra_compile_args=["-O2", "-pthread"],
            optional=True,
        ),
        Extension(
            "checkers.native._search",  # for ctypes
            [SEARCH],
            define_macros=[source_sha256(SEARCH)],
            extra_compile_args=["-std=c17", "-O2", "-fvisibility=hidden"],
            optional=True,
        ),
    ]
)
