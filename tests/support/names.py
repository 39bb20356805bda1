"""A program on a machine that knows other host names: ``python -m tests.support.names``.

Before the program stand the lines of ``/etc/hosts``, and maybe ``--without-ipv6``: then it runs in
a network of its own, where it can listen on 127.0.0.1 and not on ::1. Needs the rights of root.
"""

import ctypes
import os
import subprocess
import sys

from tests.support.mounts import mount_over

WITHOUT_IPV6 = "--without-ipv6"
_CLONE_NEWNET = 0x40000000
_END = "--"


def launcher(*lines: str) -> tuple[str, ...]:
    """Return what goes before a program that knows these names."""
    return (sys.executable, "-m", __name__, *lines, _END)


def is_possible(*lines: str) -> bool:
    """Tell whether this process may do it."""
    command = [*launcher(*lines), "/bin/true"]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0


def _leave_ipv6() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")


def _main() -> None:
    end = sys.argv.index(_END)
    lines, program = sys.argv[1:end], sys.argv[end + 1 :]
    if WITHOUT_IPV6 in lines:
        lines.remove(WITHOUT_IPV6)
        _leave_ipv6()
    mount_over("/etc/hosts", "".join(f"{line}\n" for line in lines))
    os.execv(program[0], program)


if __name__ == "__main__":
    _main()
