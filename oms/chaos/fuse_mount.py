"""Mounting a FUSE file system without any library: /dev/fuse and mount(2).

Called by `forgetful_fs.py` and `forgetful_disk.py`. It needs root, or root's rights in a user
namespace; `why_not` says why they are missing, so that whoever skips says it too.
"""

import ctypes
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

_DEVICE: Final = "/dev/fuse"
_NO_SUID_NO_DEVICES: Final = 2 | 4  # MS_NOSUID, MS_NODEV
_DETACH: Final = 2  # MNT_DETACH


def mount(mountpoint: Path) -> int:
    """Mount; returns the descriptor that requests are read from. Raises: OSError."""
    fd = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    options = (
        f"fd={fd},rootmode={stat.S_IFDIR:o},user_id={os.getuid()},group_id={os.getgid()},"
        "allow_other,default_permissions"
    )
    source, kind = b"forgetful", b"fuse.forgetful"
    done = _libc().mount(
        source, os.fsencode(mountpoint), kind, _NO_SUID_NO_DEVICES, options.encode()
    )
    if done:
        os.close(fd)
        _raise("mount", mountpoint)
    return fd


def unmount(mountpoint: Path) -> None:
    """Take it away from its place at once, whoever still has files of it open. Raises: OSError."""
    if _libc().umount2(os.fsencode(mountpoint), _DETACH):
        _raise("unmount", mountpoint)


def why_not() -> str | None:
    """Why nothing can be mounted here; None if it can."""
    with tempfile.TemporaryDirectory(prefix="quorate-") as folder:
        try:
            fd = mount(Path(folder))
        except OSError as error:
            return f"a FUSE file system cannot be mounted here: {error.strerror} ({error.filename})"
        unmount(Path(folder))
        os.close(fd)
    return None


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _raise(what: str, mountpoint: Path) -> None:
    number = ctypes.get_errno()
    raise OSError(number, f"{what}: {os.strerror(number)}", str(mountpoint))
