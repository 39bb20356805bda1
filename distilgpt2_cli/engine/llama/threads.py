"""How many threads to compute with, found out while computing."""

from collections.abc import Callable

_SAMPLE = 3  # steps on which a number of threads is judged, all but the slowest
_FASTER = 0.97  # more threads must take at most this part of the time
_DISTURBED = 1.5  # a step this much slower than usual is due to other work on the machine
_FIRST_WAIT, _LAST_WAIT = 32, 1024  # steps between attempts with more threads
_NO_ROOM_WAIT = 8  # steps until another look, which costs next to nothing


class ThreadTuner:
    """Climbs from one thread to more while that makes steps faster, and down when they slow.

    One thread is where to begin: threads wait for each other at every operation by spinning, so
    that one other busy process can make several many times slower than one. More are tried only
    if each finds a core that nothing else runs on, where that is known, and attempts that fail
    become rare. What is computed does not depend on the number of threads.
    """

    def __init__(
        self, cores: int, apply: Callable[[int], None], running: Callable[[], int | None]
    ) -> None:
        """Choose among 1, 2, 4 … ``cores`` threads.

        Args:
            cores: the most threads.
            apply: puts a choice into effect.
            running: returns how many tasks want a core now, ours among them, or None.
        """
        self._cores = cores
        self._running = running
        self._ladder: list[int] = [*(2**i for i in range((cores - 1).bit_length())), cores]
        self._apply = apply
        self._rung = 0
        self._times: list[float] = []
        self._usual = 0.0  # seconds of a step on the rung that was settled on; 0 while unknown
        self._attempt = False
        self._slow_steps = 0
        self._wait, self._next_wait = 0, _FIRST_WAIT

    @property
    def threads(self) -> int:
        """The number of threads for the next step."""
        return self._ladder[self._rung]

    def record(self, seconds: float) -> None:
        """Learn what a step took, and choose for the next one."""
        slow = bool(self._usual) and seconds > _DISTURBED * self._usual
        self._slow_steps = self._slow_steps + 1 if slow else 0
        if self._wait and not self._attempt:
            self._watch(seconds)
            return
        self._times.append(seconds)
        if self._attempt and self._slow_steps == 2:
            self._give_up()
        elif len(self._times) == _SAMPLE:
            mean = (sum(self._times) - max(self._times)) / (_SAMPLE - 1)
            if self._attempt and mean > _FASTER * self._usual:
                self._give_up()
            else:
                self._settle(mean)

    def _settle(self, seconds: float) -> None:
        """Take the present rung as it is, and try the next one."""
        self._usual = seconds
        self._next_wait = _FIRST_WAIT
        self._climb()

    def _climb(self) -> None:
        self._times.clear()
        if self._rung + 1 == len(self._ladder):
            self._attempt, self._wait = False, _LAST_WAIT
        elif not self._has_room(self._ladder[self._rung + 1]):
            self._attempt, self._wait = False, _NO_ROOM_WAIT
        else:
            self._attempt, self._wait = True, 0
            self._go(self._rung + 1)

    def _has_room(self, threads: int) -> bool:
        running = self._running()
        others = 0 if running is None else running - self.threads
        return others + threads <= self._cores

    def _give_up(self) -> None:
        """Go back to where it was, and try again after a while that doubles each time."""
        self._attempt = False
        self._times.clear()
        self._wait, self._next_wait = self._next_wait, min(2 * self._next_wait, _LAST_WAIT)
        self._go(self._rung - 1)

    def _watch(self, seconds: float) -> None:
        """Follow the usual time, which grows with the text, and see when it changes."""
        self._wait -= 1
        if self._rung > 0 and self._slow_steps == 2:
            self._start_over()
            return
        if self._rung == 0 or not self._slow_steps:
            self._usual += (seconds - self._usual) / 16
        if not self._wait:
            self._climb()

    def _start_over(self) -> None:
        self._usual, self._wait, self._next_wait = 0.0, 0, _FIRST_WAIT
        self._times.clear()
        self._go(0)

    def _go(self, rung: int) -> None:
        self._rung = rung
        self._apply(self.threads)
