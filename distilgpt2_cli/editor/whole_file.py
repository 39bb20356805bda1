"""A file that is replaced as a whole: at any moment it is the old or the new one."""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Replace the contents of a file atomically: at any moment it is the old or the new one.

    The new file is written to the disk beside the old one, and then renamed. A symbolic link is
    kept, and so are owner, group, permissions and extended attributes, as far as the system allows;
    of several hard links, only this one leads to the new contents.

    Raises:
        OSError: it can't be written, or is read-only.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not _is_writable(target):
        raise PermissionError(0, "it is read-only", str(path))
    part = target.with_name(f".distil-{secrets.token_hex(8)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123
            if target.exists():
                _copy_permissions(target, descriptor)
            write_to_disk(file.fileno(), data)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def _is_writable(path: Path) -> bool:
    """Return whether its permissions let anybody write it, and this user: root may write all."""
    return bool(path.stat().st_mode & 0o222) and os.access(path, os.W_OK)


def _copy_permissions(source: Path, descriptor: int) -> None:
    old = source.stat()
    for owner in (old.st_uid, -1):
        with suppress(PermissionError):
            os.fchown(descriptor, owner, old.st_gid)
            break
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
    if hasattr(os, "listxattr"):
        with suppress(OSError):
            for name in os.listxattr(source):
                os.setxattr(descriptor, name, os.getxattr(source, name))


def write_to_disk(descriptor: int, data: bytes) -> None:
    """Write all of the data, and wait until it is on the disk.

    Raises:
        OSError: it can't be written.
    """
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the file system can do that."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
