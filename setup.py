"""The clock library is built with the package where there is a compiler; without one the package installs all the same.

Everything else about the package is in pyproject.toml.
"""

import hashlib
from pathlib import Path

from setuptools import Extension, setup

SOURCE = "nemesis/preload/clock.c"

setup(
    ext_modules=[
        Extension(
            "nemesis.preload._clock",  # no module: a library for LD_PRELOAD, which setuptools knows how to build
            [SOURCE],
            define_macros=[("SOURCE_SHA256", f'"{hashlib.sha256(Path(SOURCE).read_bytes()).hexdigest()}"')],
            libraries=["dl"],
            extra_compile_args=["-O2", "-pthread"],
            optional=True,
        )
    ]
)
