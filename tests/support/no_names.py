"""A program on a machine whose name server never answers: ``python -m tests.support.no_names``.

It runs in a mount namespace of its own, where ``/etc/resolv.conf`` names this process, which takes
questions and says nothing. Needs the rights of root.
"""

import os
import socket
import subprocess
import sys

from tests.support.mounts import mount_over

_ADDRESS = "127.0.0.53"


def is_possible() -> bool:
    """Tell whether this process may do it."""
    command = [sys.executable, "-m", __name__, "/bin/true"]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0


def _main() -> None:
    mount_over("/etc/resolv.conf", f"nameserver {_ADDRESS}\n")
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind((_ADDRESS, 53))
    silent.set_inheritable(True)  # it lives as long as the program does
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    _main()
