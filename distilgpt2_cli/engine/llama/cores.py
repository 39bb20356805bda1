"""How many cores this process may really use."""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")
_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_LOAD = Path("/proc/loadavg")
_MEMORY = Path("/proc/meminfo")


def usable_cores() -> int:
    """Return the physical cores that affinity and the CPU quotas of all cgroups leave, at least 1.

    Where the system does not say, as outside Linux, these are its logical processors.
    """
    return max(1, min(_physical_cores(_affinity(), _CPUS), *_quotas(_MEMBERSHIP, _CGROUPS)))


def core_groups(size: int) -> list[set[int]]:
    """Return the logical processors of the first ``size`` physical cores, of the next, and so on.

    They are those that affinity leaves; what is left over, or not known, is in no group.
    """
    if not hasattr(os, "sched_setaffinity"):
        return []
    cores = list(_by_core(_affinity(), _CPUS).values())
    return [
        set().union(*cores[start : start + size]) for start in range(0, len(cores) - size + 1, size)
    ]


def stay_on(processors: set[int]) -> None:
    """Let this process, and the threads that it starts, run on these processors only."""
    with suppress(OSError):  # taken from us since: anywhere is right then
        os.sched_setaffinity(0, processors)


def running_tasks() -> int | None:
    """Return how many tasks want a processor at this moment, the caller among them.

    None where that is not known, or means nothing because not all processors are ours. See
    proc_loadavg(5): it is the first number of the fourth field.
    """
    if len(_affinity()) != os.cpu_count():
        return None
    fields = _read(_LOAD).split()
    return int(fields[3].partition("/")[0]) if len(fields) > 3 else None


def available_bytes() -> int | None:
    """Return the memory that can be used without swapping, in our cgroups too; None if unknown.

    See proc_meminfo(5), "MemAvailable", and cgroup-v2.rst, "memory.max".
    """
    found = [
        1024 * int(line.split()[1])
        for line in _read(_MEMORY).splitlines()
        if line.startswith("MemAvailable:")
    ]
    for folder in _own_groups(_MEMBERSHIP, _CGROUPS, "memory"):
        limit, used = _read(folder / "memory.max"), _read(folder / "memory.current")
        if limit.isdigit() and used.isdigit():
            found.append(max(int(limit) - int(used), 0))
    return min(found, default=None)


def _affinity() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _physical_cores(processors: set[int], cpus: Path) -> int:
    """Count the cores that these logical processors belong to."""
    return len(_by_core(processors, cpus))


def _by_core(processors: set[int], cpus: Path) -> dict[str, set[int]]:
    """Return these logical processors by the core that they belong to."""
    cores: dict[str, set[int]] = {}
    for processor in sorted(processors):
        siblings = _read(cpus / f"cpu{processor}/topology/thread_siblings_list")
        cores.setdefault(siblings or str(processor), set()).add(processor)
    return cores


def _quotas(membership: Path, root: Path) -> Iterator[int]:
    """Yield the whole cores of every CPU quota from our cgroup up to the root, both versions.

    See cgroup-v2.rst, "cpu.max", and sched-bwc.rst in the documentation of Linux.
    """
    yield 2**31
    for level in _own_groups(membership, root, "cpu"):
        quota, _, period = (
            _read(level / "cpu.max")
            or f"{_read(level / 'cpu.cfs_quota_us')} {_read(level / 'cpu.cfs_period_us')}"
        ).partition(" ")
        if quota.isdigit() and period.isdigit():
            yield math.floor(int(quota) / int(period))


def _own_groups(membership: Path, root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of our cgroups that may have a controller, each up to the root."""
    for line in _read(membership).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        base = root / controllers if controllers else root
        folder = base / path.lstrip("/")
        for level in (folder, *folder.parents):
            yield level
            if level == base:
                break


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
