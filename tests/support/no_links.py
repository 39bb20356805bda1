"""A program on a file system without links, for any program: ``python -m tests.support.no_links``.

The kernel answers every call that would make a link as it does on FAT, where there are none: with
EPERM. The filter (seccomp_filter in the kernel's documentation) is inherited by what is started.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from pathlib import Path

# link, symlink, linkat, symlinkat; the numbers of asm/unistd_64.h and asm-generic/unistd.h
_CALLS = {"x86_64": (86, 88, 265, 266), "aarch64": (36, 37)}
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF_LD+W+ABS, BPF_JMP+JEQ+K, BPF_RET+K
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def is_possible() -> bool:
    """Tell whether this machine has such a filter."""
    return platform.machine() in _CALLS and Path("/proc/sys/kernel/seccomp").exists()


def forbid_links() -> None:
    """Let no call of this process make a link from now on."""
    calls = _CALLS[platform.machine()]
    instructions = [struct.pack("HBBI", _LOAD, 0, 0, 0)]  # the number of the call
    for left, number in enumerate(reversed(calls)):
        instructions.insert(1, struct.pack("HBBI", _JUMP_IF_EQUAL, left + 1, 0, number))
    instructions.append(struct.pack("HBBI", _RETURN, 0, 0, _ALLOW))
    instructions.append(struct.pack("HBBI", _RETURN, 0, 0, _ERRNO | errno.EPERM))
    program = _Program(len(instructions), b"".join(instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in (
        (_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0),
    ):
        if libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    forbid_links()
    os.execv(sys.argv[1], sys.argv[1:])
