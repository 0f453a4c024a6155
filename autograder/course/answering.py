"""Answers for programs: JSON on standard output, and all that is said on standard error."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:  # it would bring NumPy and nbformat to every command
    from autograder.grading.results import SubmissionResult

AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON, and all messages on standard error.")
]


@contextlib.contextmanager
def answering(as_json: bool) -> Iterator[Callable[[object], object]]:
    """Yield a function that takes the answer; it is printed in the end where it is asked for.

    While JSON is asked for, what is printed goes to standard error.
    """
    answers: list[object] = []
    if not as_json:
        yield answers.append
        return
    out = sys.stdout
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield answers.append
    finally:
        for answer in answers:
            print(json.dumps(answer, indent=1), file=out)


def students(results: Iterable[SubmissionResult]) -> dict[str, dict]:
    """Return what an answer says of each student's result."""
    return {
        result.student: {
            "score": result.score,
            "points": result.points,
            "bonus": result.bonus,
            "misconceptions": result.misconceptions,
            "problems": result.problems,
            "tier": result.tier,
        }
        for result in results
    }
