"""A volume as a file system, over mfusepy.

What was measured and is not to be changed lightly: attributes and names are cached for no time (else a file that lost
bytes shows its old size), ``direct_io`` stays off (it makes mmap impossible, and writes with O_DSYNC never reach a
sync), and there is one thread (two are slower). The kernel keeps pages for open descriptors, so bytes that are taken
back are seen only by who opens a file anew: take back when the program is dead.

A bug in here must neither hang nor fool the program: whatever is no OSError is answered with EIO, noted as the volume's
failure, and told on standard error.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import stat
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from nemesis.fuse.volume import Volume

DEVICE = Path("/dev/fuse")
LIBRARIES = ("libfuse3.so.3", "libfuse.so.2", "libfuse3.so.4")
HIDDEN = ".fuse_hidden"
"""How libfuse begins the names of files that were removed while they were open."""
_UNKNOWN_INO = 0xFFFFFFFF
_FOLDER = {"st_mode": stat.S_IFDIR, "st_ino": _UNKNOWN_INO}
_FILE = {"st_mode": stat.S_IFREG, "st_ino": _UNKNOWN_INO}
_STAT = ("st_mode", "st_ino", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks", "st_rdev")
_STATVFS = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_favail", "f_namemax")
_F = TypeVar("_F", bound=Callable[..., Any])


class FuseError(Exception):
    """FUSE cannot be used here; the message says why, and what to do where that is known."""


def load() -> Any:
    """Import mfusepy over the first libfuse there is. Raises FuseError."""
    try:
        os.close(os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        raise FuseError(f"{DEVICE} cannot be opened ({error.strerror}); {_device_remedy(error)}") from error
    # Named outright: mfusepy would look for it with a compiler, which takes longer than all the rest.
    os.environ.setdefault("FUSE_LIBRARY_PATH", _library())
    try:
        import mfusepy  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise FuseError("mfusepy is missing; pip install 'antipaxos[fuse]'") from error
    except (OSError, AttributeError) as error:
        raise FuseError(f"mfusepy cannot use {os.environ['FUSE_LIBRARY_PATH']}: {error}") from error
    return mfusepy


def _device_remedy(error: OSError) -> str:
    if error.errno == errno.EACCES:
        return "as root: chmod 0666 /dev/fuse"
    return "as root: modprobe fuse; in a container add --device /dev/fuse"


def _library() -> str:
    for name in LIBRARIES:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return name
    raise FuseError("libfuse is missing; on Debian and Ubuntu: apt-get install fuse3")


def serve(volume: Volume, mountpoint: Path, mounted: Callable[[], None], *, by_helper: bool) -> None:
    """Mount a volume and serve it until it is unmounted; ``mounted`` is called when it is there.

    ``by_helper``: this process may not mount, fusermount3 does, and unmounts when this process is gone. Raises
    FuseError.
    """
    library = load()
    options: dict[str, Any] = {
        "foreground": True,
        "nothreads": True,
        "attr_timeout": 0,
        "entry_timeout": 0,
        "negative_timeout": 0,
        "use_ino": True,
        "fsname": "antipaxos",
    }
    if library.fuse_version_major == 2:
        options |= {"big_writes": True, "nonempty": True}
    if by_helper:
        options["auto_unmount"] = True
    os.umask(0)  # the kernel has applied the program's own
    try:
        _file_system(library)(_Answers(library, volume, mounted), str(mountpoint), **options)
    except RuntimeError as error:
        raise FuseError(
            f"libfuse could not mount at {mountpoint} (status {error}); its words are in the log"
        ) from error


def _file_system(library: Any) -> Any:
    """Return mfusepy's class with two gaps closed."""

    class FileSystem(library.FUSE):  # type: ignore[misc]  # mfusepy is not typed
        """mfusepy drops the flags of renameat2 and the handle of ftruncate."""

        def rename_fuse_3(self, old: bytes, new: bytes, flags: int) -> int:
            """No program of ours exchanges names; one that does shall hear that it cannot."""
            if flags:
                raise OSError(errno.EINVAL, "renameat2 with flags")
            return int(self.rename_fuse_2(old, new))

        def truncate_fuse_3(self, path: bytes | None, length: int, fip: Any) -> int:
            """By the handle where there is one: a file without a name has no path."""
            return int(self.ftruncate(path, length, fip))

    return FileSystem


def _guarded(method: _F) -> _F:
    """Answer EIO to what should not have happened, and note it."""

    @functools.wraps(method)
    def answered(self: _Answers, *arguments: Any) -> Any:
        try:
            if method.__name__ != "rename":
                self.volume.finish_hiding()
            return method(self, *arguments)
        except OSError:
            raise
        except Exception as error:
            self.volume.fail(f"{method.__name__}: {type(error).__name__}: {error}")
            traceback.print_exc()
            sys.stderr.flush()
            raise OSError(errno.EIO, "a bug of the file system's") from error

    return cast(_F, answered)


class _Answers:
    """What mfusepy calls. Files are addressed by handle wherever there is one: a path may be None then."""

    use_ns = True
    flag_nopath = True
    flag_nullpath_ok = True

    def __init__(self, library: Any, volume: Volume, mounted: Callable[[], None]) -> None:
        self._library = library
        self.volume = volume
        self._mounted = mounted

    def init(self, path: str) -> None:
        """The kernel has shaken hands."""
        del path
        self._mounted()

    @_guarded
    def getattr(self, path: str | None, fh: int | None = None) -> dict[str, Any]:
        found = self.volume.stat(path, fh)
        attributes: dict[str, Any] = {name: getattr(found, name) for name in _STAT}
        attributes |= {f"st_{kind}time": getattr(found, f"st_{kind}time_ns") for kind in "amc"}
        return attributes

    @_guarded
    def readlink(self, path: str) -> str:
        return self.volume.read_symlink(path)

    @_guarded
    def mkdir(self, path: str, mode: int) -> int:
        self.volume.make_folder(path, mode)
        return 0

    @_guarded
    def unlink(self, path: str) -> int:
        self.volume.remove(path)
        return 0

    @_guarded
    def rmdir(self, path: str) -> int:
        self.volume.remove_folder(path)
        return 0

    @_guarded
    def symlink(self, target: str, source: str) -> int:
        self.volume.make_symlink(target, source)
        return 0

    @_guarded
    def rename(self, old: str, new: str) -> int:
        if new.rpartition("/")[2].startswith(HIDDEN):
            self.volume.finish_hiding()
            self.volume.hide(old, new)
        else:
            self.volume.rename(old, new)
        return 0

    @_guarded
    def link(self, target: str, source: str) -> int:
        self.volume.link(source, target)
        return 0

    @_guarded
    def chmod(self, path: str, mode: int) -> int:
        self.volume.chmod(path, mode)
        return 0

    @_guarded
    def chown(self, path: str, uid: int, gid: int) -> int:
        self.volume.chown(path, uid, gid)
        return 0

    @_guarded
    def truncate(self, path: str | None, length: int, fh: int | None = None) -> int:
        self.volume.set_size(path, fh, length)
        return 0

    @_guarded
    def open(self, path: str, flags: int) -> int:
        return self.volume.open(path, flags)

    @_guarded
    def create(self, path: str, mode: int) -> int:
        return self.volume.create(path, mode)

    @_guarded
    def read(self, path: str | None, size: int, offset: int, fh: int) -> bytes:
        del path
        return self.volume.read(fh, offset, size)

    @_guarded
    def write(self, path: str | None, data: bytes, offset: int, fh: int) -> int:
        del path
        return self.volume.write(fh, offset, data)

    @_guarded
    def statfs(self, path: str) -> dict[str, int]:
        del path
        found = self.volume.statvfs()
        return {name: getattr(found, name) for name in _STATVFS}

    @_guarded
    def release(self, path: str | None, fh: int) -> int:
        del path
        self.volume.release(fh)
        return 0

    @_guarded
    def fsync(self, path: str | None, datasync: int, fh: int) -> int:
        del path, datasync
        self.volume.sync(fh)
        return 0

    @_guarded
    def opendir(self, path: str) -> int:
        return self.volume.open_folder(path)

    @_guarded
    def readdir(self, path: str | None, fh: int) -> list[tuple[str, dict[str, int], int]]:
        del path
        found = [(".", True), ("..", True), *self.volume.names(fh)]
        return [(name, _FOLDER if is_folder else _FILE, 0) for name, is_folder in found]

    @_guarded
    def releasedir(self, path: str | None, fh: int) -> int:
        del path
        self.volume.release(fh)
        return 0

    @_guarded
    def fsyncdir(self, path: str | None, datasync: int, fh: int) -> int:
        del path, datasync
        self.volume.sync(fh)
        return 0

    @_guarded
    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        self.volume.set_times(path, times)
        return 0

    @_guarded
    def fallocate(self, path: str | None, mode: int, offset: int, size: int, fh: int) -> int:
        del path
        self.volume.allocate(fh, mode, offset, size)
        return 0
