"""How long a submission works, whatever else the machine has to do meanwhile."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from autograder.sandbox.inside.isolation import THREADS

PATIENCE = 4  # seconds in which a process sleeps, for each that is counted
SOON = 0.2  # seconds in which sleep is not looked for


class Clock:
    """Counts the seconds that pass against those that are allowed."""

    def __init__(self, allowed: float):
        self.allowed = allowed
        self._start = time.monotonic()

    def used(self) -> tuple[float, float]:
        """Return the seconds until now that count, and those in which a place was kept."""
        passed = self._passed()
        return passed, passed

    def is_over(self) -> bool:
        """Whether no time is left."""
        return self.used()[0] >= self.allowed

    def waits(self) -> bool:
        """Whether more is counted than the process worked."""
        return False

    def _passed(self) -> float:
        return time.monotonic() - self._start


class WorkClock(Clock):
    """Counts the work of a process that cannot start others to work for it.

    That is the processor's time of all its threads, so that a busy machine costs nobody a mark; or
    a quarter of what passes without the queue for the processor, so that nobody sleeps for ever.

    Args:
        process: its number; nobody waits for it while this counts, so it is no other's.
    """

    def __init__(self, allowed: float, process: int):
        super().__init__(allowed)
        self._process = process
        self._last = 0.0
        self._before = self._processor()
        self._queues: dict[str, float] = {}  # by thread, when it was last looked at
        self._queue = 0.0

    def used(self) -> tuple[float, float]:
        """Return the seconds that count, and those in which it worked or did not queue."""
        worked, unqueued = self._worked(), self._unqueued()
        return max(worked, unqueued / PATIENCE), max(worked, unqueued)

    def is_over(self) -> bool:
        """Whether no time is left; not asked before all threads together could have used it up."""
        return self._passed() * THREADS >= self.allowed and super().is_over()

    def waits(self) -> bool:
        """Whether more is counted than the process worked."""
        return self.used()[0] > self._worked()

    def _unqueued(self) -> float:
        """Return the seconds until now without those in the queue for the processor."""
        passed = self._passed()
        if passed >= SOON:
            before, self._queues = self._queues, self._queues | self._queued()
            waited = (now - before.get(thread, 0.0) for thread, now in self._queues.items())
            self._queue += max(waited, default=0.0) if before else 0.0
        return passed - self._queue

    def _worked(self) -> float:
        return self._processor() - self._before

    def _processor(self) -> float:
        """Seconds that all threads had the processor; of a process that is gone, the last known."""
        with contextlib.suppress(OSError):
            self._last = time.clock_gettime(_clock_of(self._process))
        return self._last

    def _queued(self) -> dict[str, float]:
        """Seconds that each thread has waited for the processor, where that is known."""
        found, threads = {}, []
        with contextlib.suppress(OSError):
            threads = list(Path(f"/proc/{self._process}/task").iterdir())
        for thread in threads:
            with contextlib.suppress(OSError):
                waited = (thread / "schedstat").read_text().split()[1]
                found[thread.name] = int(waited) / 1e9
        return found


def _clock_of(process: int) -> int:
    """The number of a process's clock, as Linux makes it (`clock_getcpuclockid`)."""
    return ~process << 3 | 2
