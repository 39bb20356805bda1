"""The choice of threads, on machines described by the time that a step takes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from distilgpt2_cli.engine import Context, Model
from distilgpt2_cli.engine.llama.cores import (
    _by_core,
    _physical_cores,
    _quotas,
    available_bytes,
    core_groups,
    running_tasks,
    usable_cores,
)
from distilgpt2_cli.engine.llama.threads import ThreadTuner


class Machine:
    """Runs steps and counts them by the number of threads that they were computed with."""

    def __init__(self, cores: int, seconds: Callable[[int], float]) -> None:
        self.seconds = seconds
        self.applied = 1
        self.others: int | None = None
        self.tuner = ThreadTuner(cores, self._apply, self._running)
        self.history: list[int] = []

    def _apply(self, threads: int) -> None:
        self.applied = threads

    def _running(self) -> int | None:
        return None if self.others is None else self.others + self.applied

    def run(self, steps: int) -> None:
        for _ in range(steps):
            assert self.applied == self.tuner.threads
            self.history.append(self.applied)
            self.tuner.record(self.seconds(self.applied))


def idle(threads: int) -> float:
    return 0.004 / float(threads**0.7)


def busy(threads: int) -> float:
    return 0.004 if threads == 1 else 0.02 * threads


@pytest.mark.parametrize("cores", [1, 2, 3, 4, 6, 8, 16])
def test_an_idle_machine_is_used_whole(cores: int) -> None:
    machine = Machine(cores, idle)
    machine.run(32)
    assert machine.applied == cores
    machine.run(2000)
    assert set(machine.history[32:]) == {cores}


@pytest.mark.parametrize("cores", [2, 4, 8])
def test_a_busy_machine_is_used_with_one_thread(cores: int) -> None:
    machine = Machine(cores, busy)
    machine.run(3000)
    assert machine.history[:3] == [1, 1, 1]
    assert sum(threads > 1 for threads in machine.history[:32]) <= 2
    assert sum(threads > 1 for threads in machine.history) <= 2 * 9


def test_no_attempt_is_made_without_a_free_core() -> None:
    machine = Machine(4, busy)
    machine.others = 3
    machine.run(500)
    assert set(machine.history) == {1}
    machine.others = 2
    machine.seconds = idle
    machine.run(20)
    assert machine.applied == 2
    machine.others = 0
    machine.run(20)
    assert machine.applied == 4


def test_more_threads_that_help_nothing_are_given_up() -> None:
    machine = Machine(4, lambda _threads: 0.004)
    machine.run(100)
    assert machine.applied == 1


def test_the_best_number_may_lie_between() -> None:
    best = {1: 0.004, 2: 0.002, 4: 0.0025, 8: 0.004}
    machine = Machine(8, best.__getitem__)
    machine.run(200)
    assert machine.history.count(2) > 180


def test_it_follows_the_load() -> None:
    machine = Machine(2, idle)
    machine.run(100)
    machine.seconds = busy
    machine.run(20)
    assert machine.applied == 1
    machine.seconds = idle
    machine.run(1100)
    assert machine.applied == 2


def test_a_single_slow_step_changes_nothing() -> None:
    machine = Machine(2, idle)
    machine.run(50)
    machine.tuner.record(0.1)
    machine.run(50)
    assert set(machine.history[10:]) == {2}


def test_steps_that_grow_slower_with_the_text_change_nothing() -> None:
    machine = Machine(2, idle)
    machine.seconds = lambda threads: idle(threads) * (1 + len(machine.history) / 200)
    machine.run(1000)
    assert set(machine.history[10:]) == {2}


def test_an_explicit_number_is_obeyed(tiny: Path) -> None:
    with Model(tiny) as model, Context(model, threads=3) as context:
        context.evaluate([1, 2, 3])
        for _ in range(50):
            context.step([1])
            assert context.threads == 3


def test_cores_by_affinity_and_quota(tmp_path: Path) -> None:
    for processor, siblings in enumerate(("0,2", "1,3", "0,2", "1,3")):
        folder = tmp_path / f"cpu/cpu{processor}/topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings + "\n")
    cpus = tmp_path / "cpu"
    assert _physical_cores({0, 1, 2, 3}, cpus) == 2
    assert _physical_cores({0, 2}, cpus) == 1
    assert list(_by_core({0, 1, 2, 3, 9}, cpus).values()) == [{0, 2}, {1, 3}, {9}]
    assert _physical_cores({7, 8, 9}, cpus) == 3  # unknown ones count for themselves
    assert 1 <= usable_cores() <= 4096
    assert (running_tasks() or 1) >= 1


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/a/b", {"a/cpu.max": "150000 100000", "a/b/cpu.max": "max 100000"}, 1),
        ("0::/a/b", {"a/cpu.max": "400000 100000", "a/b/cpu.max": "300000 100000"}, 3),
        ("0::/", {"cpu.max": "max 100000"}, None),
        ("4:cpu:/x", {"cpu/x/cpu.cfs_quota_us": "200000", "cpu/x/cpu.cfs_period_us": "100000"}, 2),
        ("4:cpu:/x", {"cpu/x/cpu.cfs_quota_us": "-1", "cpu/x/cpu.cfs_period_us": "100000"}, None),
        ("3:memory:/x", {"x/cpu.max": "100000 100000"}, None),
        ("", {}, None),
    ],
)
def test_quotas_of_both_versions(
    tmp_path: Path, membership: str, files: dict[str, str], expected: int | None
) -> None:
    (tmp_path / "self").write_text(membership + "\n" if membership else "")
    for name, content in files.items():
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    least = min(_quotas(tmp_path / "self", tmp_path / "root"))
    assert least == (2**31 if expected is None else expected)


def test_groups_of_cores_share_none() -> None:
    for size in (1, 2):
        groups = core_groups(size)
        assert len(set().union(*groups)) == sum(map(len, groups))
    assert core_groups(10_000) == []


def test_memory() -> None:
    assert (available_bytes() or 2**30) > 2**20
