"""A program on a machine whose name server never answers: ``python -m tests.support.no_names``.

It runs in a mount namespace of its own, where ``/etc/resolv.conf`` names this process, which takes
questions and says nothing. Needs the rights of root.
"""

import ctypes
import os
import socket
import subprocess
import sys
import tempfile

_CLONE_NEWNS, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000
_ADDRESS = "127.0.0.53"


def is_possible() -> bool:
    """Tell whether this process may do it."""
    command = [sys.executable, "-m", __name__, "/bin/true"]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0


def _mount_over_names() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(f"nameserver {_ADDRESS}\n")
        file.flush()
        os.chmod(file.name, 0o644)  # noqa: PTH101
        target = os.path.realpath("/etc/resolv.conf").encode()
        statuses = (
            libc.unshare(_CLONE_NEWNS),
            libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None),
            libc.mount(file.name.encode(), target, None, _MS_BIND, None),
        )
        if any(statuses):
            raise OSError(ctypes.get_errno(), "mount")


def _main() -> None:
    _mount_over_names()
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind((_ADDRESS, 53))
    silent.set_inheritable(True)  # it lives as long as the program does
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    _main()
