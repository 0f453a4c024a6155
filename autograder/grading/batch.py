"""Grade a class: many submissions, some at a time, between two answers with known marks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from autograder.grading.grader import Grader, _short
from autograder.grading.observations import NotKept
from autograder.grading.results import Store, SubmissionResult
from autograder.sandbox.process import Infrastructure


def remark_batch(
    grader: Grader,
    submissions: Mapping[str, Path],
    store: Store,
    *,
    progress: Callable[[str, SubmissionResult | None], None] | None = None,
) -> tuple[dict[str, SubmissionResult], dict[str, str]]:
    """Judge many submissions again from what was observed of them; nothing is executed.

    Returns what `grade_batch` does. Who was not observed, or in another experiment, is among the
    faults, with the reason, and keeps the result that was there.
    """
    results: dict[str, SubmissionResult] = {}
    faults: dict[str, str] = {}
    grader.log.write("remarking", submissions=len(submissions))
    grader.canaries.require_judge(grader.provider, grader.seed_of)
    for student, path in submissions.items():
        try:
            results[student] = grader.remark(path, student, store)
        except NotKept as why:
            faults[student] = f"{why}; `autograder grade --force` executes it again"
        except Exception as error:
            faults[student] = _short(error)
        if progress:
            progress(student, results.get(student))
    grader.log.write("remarked all", results=len(results), faults=len(faults))
    return results, faults


def grade_batch(
    grader: Grader,
    submissions: Mapping[str, Path],
    store: Store,
    *,
    jobs: int = 2,
    force: bool = False,
    progress: Callable[[str, SubmissionResult | None], None] | None = None,
) -> tuple[dict[str, SubmissionResult], dict[str, str]]:
    """Grade many submissions, `jobs` sandboxes at a time.

    Results are kept as they come, so that a batch that was killed goes on where it was. Before
    the first submission that is executed and after the last one, two answers with known marks go
    the same way; when one of them comes to another mark, what was executed since is forgotten.

    Returns the results by student, and the infrastructure faults by student, which are no marks.

    Args:
        progress: called with the student's name and result (None: a fault) after each submission.
    """
    batch = _Batch(grader, store, "none" if force else "complete")
    grader.canaries.reset()
    grader.log.write("batch", submissions=len(submissions), jobs=jobs, tier=grader.tier)
    pool = ThreadPoolExecutor(max_workers=max(1, jobs))
    try:
        tasks = {pool.submit(batch.one, student, path) for student, path in submissions.items()}
        for task in as_completed(tasks):
            student, result = task.result()
            if progress:
                progress(student, result)
    finally:  # an interruption waits for nobody
        pool.shutdown(wait=False, cancel_futures=True)
    batch.end()
    results = {name: batch.results[name] for name in submissions if name in batch.results}
    grader.log.write("batch ended", results=len(results), faults=len(batch.faults))
    return results, batch.faults


class _Batch:
    """What a batch has come to so far."""

    def __init__(self, grader: Grader, store: Store, accept: str):
        self.grader, self.store, self.accept = grader, store, accept
        self.results: dict[str, SubmissionResult] = {}
        self.faults: dict[str, str] = {}
        self.executed: set[str] = set()

    def one(self, student: str, path: Path) -> tuple[str, SubmissionResult | None]:
        """Grade one submission; whatever it does, the others go on."""
        try:
            result, executed = self.grader.mark(path, student, self.store, self.accept)
        except Infrastructure as error:
            self._fault(student, str(error))
        except Exception as error:
            self._fault(student, _short(error))
        else:
            self.results[student] = result
            if executed:
                self.executed.add(student)
        return student, self.results.get(student)

    def _fault(self, student: str, why: str) -> None:
        self.results.pop(student, None)
        self.faults[student] = why
        self.grader.log.write("fault", student=student, why=why)

    def end(self) -> None:
        """See whether the grader can still be trusted; if not, forget what it came to."""
        if not self.executed:
            return
        self.grader.canaries.reset()
        try:
            self.grader.canaries.require()
        except Infrastructure as error:
            for student in self.executed:
                self.store.remove(student)
                self._fault(student, str(error))
