"""How long a submission works, whatever else the machine has to do meanwhile."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

PATIENCE = 4  # seconds in which a process sleeps, for each that is counted
SOON = 0.2  # seconds in which sleep is not looked for


class Clock:
    """Counts the seconds that pass against those that are allowed."""

    def __init__(self, allowed: float):
        self.allowed = allowed
        self._start = time.monotonic()

    def taken(self) -> float:
        """Return the seconds that count until now."""
        return time.monotonic() - self._start

    def is_over(self) -> bool:
        """Whether no time is left."""
        return self.taken() >= self.allowed

    def waits(self) -> bool:
        """Whether more is counted than the process worked."""
        return False


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
        self._queue: float | None = None  # what was queued when sleep was first looked for

    def taken(self) -> float:
        """Return the seconds that count until now."""
        passed, worked = super().taken(), self._worked()
        if passed < SOON:
            return worked
        queued = self._queued()
        self._queue = queued if self._queue is None else self._queue
        return max(worked, (passed - queued + self._queue) / PATIENCE)

    def waits(self) -> bool:
        """Whether more is counted than the process worked."""
        return self.taken() > self._worked()

    def _worked(self) -> float:
        return self._processor() - self._before

    def _processor(self) -> float:
        """Seconds that all threads had the processor; of a process that is gone, the last known."""
        with contextlib.suppress(OSError):
            self._last = time.clock_gettime(_clock_of(self._process))
        return self._last

    def _queued(self) -> float:
        """Seconds in which threads could go on while others had the processor; 0 if unknown."""
        with contextlib.suppress(OSError):
            threads = Path(f"/proc/{self._process}/task").glob("*/schedstat")
            return sum(int(thread.read_text().split()[1]) for thread in threads) / 1e9
        return 0.0


def _clock_of(process: int) -> int:
    """The number of a process's clock, as Linux makes it (`clock_getcpuclockid`)."""
    return ~process << 3 | 2
