"""Which programs are out of reach, told from their files; and that what is said so is true of a real one."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from nemesis.ground import ClockBend
from nemesis.preload.program import why_unreachable
from tests.preload.support import compiled, environment, page_in

PATH = "/usr/local/bin:/usr/bin:/bin"


def elf(*parts: tuple[int, bytes], bits: int = 64, order: str = "<") -> bytes:
    """Return an ELF file with these parts: the kind of each, and its content."""
    head = b"\x7fELF" + bytes((2 if bits == 64 else 1, 1 if order == "<" else 2, 1)) + bytes(9)
    head += struct.pack(f"{order}HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, len(parts), 0, 0, 0)
    at, headers, contents = 64 + 56 * len(parts), b"", b""
    for kind, content in parts:
        offset = at + len(contents)
        headers += struct.pack(f"{order}IIQQQQQQ", kind, 4, offset, 0, 0, len(content), len(content), 1)
        contents += content
    return head + headers + contents


LOADER = (3, b"/lib64/ld-linux-x86-64.so.2\0")
GNU_NOTE = struct.pack("<III", 4, 4, 3) + b"GNU\0" + b"abcd"
GO_NOTE = struct.pack("<III", 4, 4, 4) + b"Go\0\0" + b"abcd"


def said(tmp_path: Path, content: bytes, mode: int = 0o755) -> str:
    program = tmp_path / "program"
    program.write_bytes(content)
    program.chmod(mode)
    return why_unreachable((str(program),), PATH, tmp_path)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_dynamic_program_is_reached(tmp_path: Path, order: str) -> None:
    assert said(tmp_path, elf((1, b"code"), LOADER, order=order)) == ""


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_static_one_is_not(tmp_path: Path, order: str) -> None:
    assert "statically linked" in said(tmp_path, elf((1, b"code"), order=order))


def test_one_of_go_is_not_however_it_is_linked(tmp_path: Path) -> None:
    assert "Go" in said(tmp_path, elf(LOADER, (4, GNU_NOTE + GO_NOTE)))
    assert said(tmp_path, elf(LOADER, (4, GNU_NOTE))) == ""


def test_one_of_another_c_library_or_width_is_not(tmp_path: Path) -> None:
    assert "musl" in said(tmp_path, elf((3, b"/lib/ld-musl-x86_64.so.1\0")))
    assert "32-bit" in said(tmp_path, elf(LOADER, bits=32))


def test_one_that_gains_privileges_is_not(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a program somebody else's")
    program = tmp_path / "program"
    program.write_bytes(elf(LOADER))
    os.chown(program, 65534, 65534)
    program.chmod(0o4755)  # after chown, which takes the bit away
    assert "setuid" in why_unreachable((str(program),), PATH, tmp_path)
    program.chmod(0o755)
    assert why_unreachable((str(program),), PATH, tmp_path) == ""


def test_a_script_is_as_its_interpreter(tmp_path: Path) -> None:
    (tmp_path / "static").write_bytes(elf((1, b"code")))
    (tmp_path / "static").chmod(0o755)
    assert "statically linked" in said(tmp_path, f"#!{tmp_path}/static -x\n".encode())
    assert said(tmp_path, f"#!{sys.executable}\n".encode()) == ""
    script = tmp_path / "script"
    script.write_text("#!/usr/bin/env -S A=1 static\n")
    assert "statically linked" in why_unreachable((str(script),), f"{tmp_path}:{PATH}", tmp_path)


def test_a_script_that_names_itself_is_not_followed_for_ever(tmp_path: Path) -> None:
    assert said(tmp_path, f"#!{tmp_path}/program\n".encode()) == ""


def test_what_cannot_be_looked_at_is_left_to_the_kernel(tmp_path: Path) -> None:
    assert why_unreachable(("no-such-program",), PATH, tmp_path) == ""
    assert why_unreachable((str(tmp_path),), PATH, tmp_path) == ""
    assert said(tmp_path, b"\x7fELF\x02\x01") == ""
    assert said(tmp_path, b"") == ""


def test_this_very_python_is_reached() -> None:
    assert why_unreachable((sys.executable,), PATH, Path("/")) == ""


@pytest.mark.integration
def test_a_static_program_sees_true_clocks_and_notes_nothing(tmp_path: Path) -> None:
    program = compiled(tmp_path, "-static")
    assert "statically linked" in why_unreachable((str(program),), PATH, tmp_path)
    with page_in(tmp_path) as page:
        page.bend(ClockBend(wall_ahead=10**13))
        done = subprocess.run((program, "clocks"), env=environment(page), capture_output=True, text=True, check=True)
        assert page.notes() == ()
        assert abs(int(done.stdout.split()[0]) - page.read().wall) > 9 * 10**12
