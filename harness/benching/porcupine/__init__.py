"""Porcupine as a rival: built from the source that ``PORCUPINE_SRC`` names, with a small program of ours around it.

Nothing of Porcupine is in this project; where Go or its source is missing the comparison is left out, and says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

SOURCE_VARIABLE: Final = "PORCUPINE_SRC"
_MODULE: Final = "github.com/anishathalye/porcupine"
_BUILD_S: Final = 300.0


class PorcupineError(Exception):
    """It cannot be built here; the message says why and what to do."""


def build(folder: Path) -> Path:
    """Build the driver in a folder and return the program. Raises PorcupineError."""
    source = os.environ.get(SOURCE_VARIABLE, "")
    if not source:
        raise PorcupineError(f"{SOURCE_VARIABLE} names no source (git clone https://{_MODULE})")
    if not (Path(source) / "go.mod").is_file():
        raise PorcupineError(f"{SOURCE_VARIABLE}: there is no go.mod in {source}")
    go = shutil.which("go")
    if go is None:
        raise PorcupineError("there is no Go compiler (apt-get install golang-go)")
    shutil.copy(Path(__file__).with_name("driver.go"), folder / "main.go")
    module = f"module driver\n\ngo 1.19\n\nrequire {_MODULE} v0.0.0\n\nreplace {_MODULE} => {Path(source).resolve()}\n"
    (folder / "go.mod").write_text(module, encoding="utf-8")
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local"}
    program = folder / "porcupine-driver"
    done = subprocess.run(
        (go, "build", "-o", str(program), "."),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_BUILD_S,
        check=False,
    )
    if done.returncode:
        raise PorcupineError(f"go build: {done.stderr.strip()[-500:]}")
    return program
