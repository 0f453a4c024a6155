"""Grade a class: many submissions, some at a time, between two answers with known marks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from threading import BoundedSemaphore

from nbformat import NotebookNode

from autograder.grading.grader import ANY_NUMBER, Grader, _short
from autograder.grading.observations import NotKept
from autograder.grading.results import Keeper, Store, SubmissionResult
from autograder.sandbox.process import Infrastructure
from autograder.submissions.notebook import OutOfReach
from autograder.submissions.uploads import Upload

BLOCK = 100  # submissions between two pairs of answers with known marks


def remark_blocks(
    grader: Grader,
    submissions: Mapping[str, Path],
    store: Store,
    *,
    size: int = BLOCK,
    progress: Callable[[str, SubmissionResult | None], None] | None = None,
) -> Iterator[Block]:
    """Judge many submissions again from what was observed of them, block by block.

    Nothing is executed. Who was not observed, or in another experiment, is among the faults, with
    the reason, and keeps the result that was there.
    """
    grader.log.write("remarking", submissions=len(submissions))
    grader.canaries.require_judge(grader.provider, grader.seed_of)
    names = iter(submissions)
    while chosen := list(islice(names, size)):
        block = Block()
        for student in chosen:
            try:
                block.results[student] = grader.remark(submissions[student], student, store)
            except NotKept as why:
                block.faults[student] = f"{why}; `autograder grade --force` executes it again"
            except Exception as error:
                block.faults[student] = told(error)
            if progress:
                progress(student, block.results.get(student))
        yield block


def grade_batch(
    grader: Grader, submissions: Mapping[str, Path], store: Store, **options
) -> tuple[dict[str, SubmissionResult], dict[str, str]]:
    """Grade many submissions, with the options of `grade_blocks`, and wait for all of them.

    Returns the results by student, and the infrastructure faults by student, which are no marks.
    """
    results: dict[str, SubmissionResult] = {}
    faults: dict[str, str] = {}
    for block in grade_blocks(grader, submissions, store, **options):
        results |= block.results
        faults |= block.faults
    return {name: results[name] for name in submissions if name in results}, faults


def grade_blocks(
    grader: Grader,
    submissions: Mapping[str, Path],
    store: Store,
    *,
    jobs: int = 2,
    force: bool = False,
    size: int = BLOCK,
    progress: Callable[[str, SubmissionResult | None], None] | None = None,
) -> Iterator[Block]:
    """Grade many submissions, `jobs` sandboxes at a time, and yield them block by block.

    Results are kept as they come, so that a batch that was killed goes on where it was. Two
    answers with known marks go the same way, beside the first submissions that are executed and
    after the last one of each block; when one of them comes to another mark, what was executed
    since is forgotten, and the batch stops. While a block is at the receiver's, the next one is
    executed; no more than two are in memory.

    Args:
        size: submissions of a block.
        progress: called with the student's name and result (None: a fault) after each submission.
    """
    turnstile = BoundedSemaphore(max(1, jobs))
    batch = Batch(grader, store, "none" if force else "complete", progress, turnstile)
    grader.canaries.reset()
    grader.log.write("batch", submissions=len(submissions), jobs=jobs, tier=grader.tier)
    pool = ThreadPoolExecutor(max_workers=max(1, jobs) + 1)  # who judges keeps no sandbox waiting
    names, results, faults = iter(submissions), 0, 0
    try:
        running: tuple[Block, list[Future]] | None = None
        while True:
            chosen = list(islice(names, size))
            block = Block()
            tasks = [pool.submit(batch.one, block, name, submissions[name]) for name in chosen]
            if running:
                ended = batch.end(*running)
                results, faults = results + len(ended.results), faults + len(ended.faults)
                yield ended
            running = (block, tasks) if tasks else None
            if not tasks:
                break
    finally:  # an interruption waits for nobody
        pool.shutdown(wait=False, cancel_futures=True)
    grader.log.write("batch ended", results=results, faults=faults)


def told(error: Exception) -> str:
    """Why there is no result, in one line; what is ours or the machine's says it in words."""
    return str(error) if isinstance(error, Infrastructure | OutOfReach) else _short(error)


@dataclass
class Block:
    """Submissions whose marks are written together."""

    results: dict[str, SubmissionResult] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    executed: set[str] = field(default_factory=set)
    notebooks: dict[str, NotebookNode] = field(default_factory=dict)  # where it was rebuilt


class Batch:
    """How the submissions of a batch are graded, and whether the grader can still be trusted."""

    def __init__(
        self,
        grader: Grader,
        store: Keeper,
        accept: str = "none",
        progress=None,
        turnstile: AbstractContextManager = ANY_NUMBER,
    ):
        self.grader, self.store, self.accept, self.turnstile = grader, store, accept, turnstile
        self.progress = progress or (lambda student, result: None)
        self.distrust = ""  # why nothing that is executed gets a mark any more

    def one(self, block: Block, student: str, what: Path | Upload) -> str:
        """Grade one submission; whatever it does, the others go on."""
        try:
            if self.distrust:
                raise Infrastructure(self.distrust)
            marked = self.grader.mark(what, student, self.store, self.accept, self.turnstile)
        except Exception as error:
            self._fault(block, student, told(error))
        else:
            block.results[student] = marked.result
            if marked.notebook is not None:
                block.notebooks[student] = marked.notebook
            if marked.executed:
                block.executed.add(student)
        return student

    def _fault(self, block: Block, student: str, why: str) -> None:
        block.results.pop(student, None)
        block.faults[student] = why
        self.grader.log.write("fault", student=student, why=why)

    def end(self, block: Block, tasks: Iterable[Future]) -> Block:
        """Wait for a block; where the grader cannot be trusted, forget what it came to."""
        for task in as_completed(tasks):
            student = task.result()
            self.progress(student, block.results.get(student))
        return self.vouch(block)

    def vouch(self, block: Block) -> Block:
        """Run the pair again where something was executed; forget the block when it fails."""
        if block.executed and not self.distrust:
            self.grader.canaries.reset()
            try:
                self.grader.canaries.require()
            except Infrastructure as error:
                self.distrust = str(error)
        for student in block.executed if self.distrust else ():
            self.store.remove(student)
            self._fault(block, student, self.distrust)
        return block
