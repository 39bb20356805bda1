"""How many cores this process may really use."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")
_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_LOAD = Path("/proc/loadavg")


def usable_cores() -> int:
    """Return the physical cores that affinity and the CPU quotas of all cgroups leave, at least 1.

    Where the system does not say, as outside Linux, these are its logical processors.
    """
    return max(1, min(_physical_cores(_affinity(), _CPUS), *_quotas(_MEMBERSHIP, _CGROUPS)))


def running_tasks() -> int | None:
    """Return how many tasks want a processor at this moment, the caller among them.

    None where that is not known, or means nothing because not all processors are ours. See
    proc_loadavg(5): it is the first number of the fourth field.
    """
    if len(_affinity()) != os.cpu_count():
        return None
    fields = _read(_LOAD).split()
    return int(fields[3].partition("/")[0]) if len(fields) > 3 else None


def _affinity() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _physical_cores(processors: set[int], cpus: Path) -> int:
    """Count the cores that these logical processors belong to."""

    def siblings(processor: int) -> str:
        return _read(cpus / f"cpu{processor}/topology/thread_siblings_list") or str(processor)

    return len({siblings(processor) for processor in processors})


def _quotas(membership: Path, root: Path) -> Iterator[int]:
    """Yield the whole cores of every CPU quota from our cgroup up to the root, both versions.

    See cgroup-v2.rst, "cpu.max", and sched-bwc.rst in the documentation of Linux.
    """
    yield 2**31
    for line in _read(membership).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        base = root / controllers if controllers else root
        folder = base / path.lstrip("/")
        for level in (folder, *folder.parents):
            quota, _, period = (
                _read(level / "cpu.max")
                or f"{_read(level / 'cpu.cfs_quota_us')} {_read(level / 'cpu.cfs_period_us')}"
            ).partition(" ")
            if quota.isdigit() and period.isdigit():
                yield math.floor(int(quota) / int(period))
            if level == base:
                break


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
