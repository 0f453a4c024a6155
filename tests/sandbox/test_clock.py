"""How long a submission works, by the processor's time and what the kernel says of its threads."""

import pytest

from autograder.sandbox import clock
from autograder.sandbox.clock import PATIENCE, Clock, WorkClock


class Told(WorkClock):
    """A clock for which a test says what the kernel would."""

    def __init__(self, monkeypatch):
        self.passed, self.worked, self.waited = 0.0, 0.0, {}
        monkeypatch.setattr(clock.time, "monotonic", lambda: self.passed)
        super().__init__(allowed=5, process=1)

    def _processor(self):
        return self.worked

    def _queued(self):
        return dict(self.waited)

    def look(self, seconds, worked=0.0, **waited):
        """Let time pass in which threads worked and waited, and look."""
        self.passed += seconds
        self.worked += worked
        for name, more in waited.items():
            self.waited[name] = self.waited.get(name, 0.0) + more
        return self.used()[0]


@pytest.fixture
def told(monkeypatch):
    clock = Told(monkeypatch)
    clock.look(0.25, main=0.0)
    return clock


def test_time_in_the_queue_costs_nothing(told):
    assert told.look(100, main=100) == told.look(50, other=50) < 0.1
    assert told.used()[1] == pytest.approx(0.25)


def test_sleep_counts_by_a_quarter_and_work_wholly(told):
    assert told.look(8) == pytest.approx(8.25 / PATIENCE)
    assert told.waits()
    assert told.look(3, worked=3) == pytest.approx(3)
    assert not told.waits()


def test_many_threads_in_the_queue_at_once_make_no_time(told):
    told.look(1, worked=1, **{f"thread-{number}": 15 / 16 for number in range(16)})
    assert told.look(60) > 60 / PATIENCE
    assert 60 < told.used()[1] < 62


def test_work_occupies_whatever_is_queued_beside_it(told):
    told.look(10, worked=10, one=10, other=10)
    assert told.used()[1] == pytest.approx(10)


def test_a_thread_that_could_not_be_read_once_is_not_counted_twice(told):
    told.look(10, other=10)
    waited, told.waited = told.waited, {}
    told.look(0.25)
    told.waited = waited
    assert told.look(4) == pytest.approx(4.5 / PATIENCE)


def test_nobody_is_over_before_all_threads_together_could_be(told, monkeypatch):
    told.look(0.05, worked=0.8)  # 16 threads on 16 processors
    assert not told.is_over()
    told.look(0.05, worked=4.2)
    assert told.is_over()
    told.worked, told.passed = 0.0, 4.9
    assert not told.is_over()
    used_up = Told(monkeypatch)
    used_up.allowed = 0.0
    assert used_up.is_over()


def test_what_has_no_number_is_counted_as_it_passes(monkeypatch):
    passed = [0.0]
    monkeypatch.setattr(clock.time, "monotonic", lambda: passed[0])
    plain = Clock(allowed=5)
    passed[0] = 4.0
    assert (plain.used(), plain.is_over()) == ((4.0, 4.0), False)
    passed[0] = 5.0
    assert plain.is_over()
