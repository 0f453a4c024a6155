"""The commands of somebody who learns alone: how far am I, what do I repeat, what did I do?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autograder.bars import printable
from autograder.learning.errors import LearnerError

app = typer.Typer()

Lessons = Annotated[Path, typer.Argument(metavar="[FOLDER]", help="The folder of your lessons.")]
Merge = Annotated[
    list[Path] | None,
    typer.Option("--merge", metavar="FILE", help="The same file of another device; repeatable."),
]


def _folder(folder: Path) -> Path:
    if not folder.is_dir():
        raise LearnerError(f"There is no folder {folder}: name the one with your lessons.")
    return folder


def _present(files: list[Path] | None) -> list[Path]:
    for file in files or ():
        if not file.is_file():
            raise LearnerError(f"There is no file {file} to merge.")
    return list(files or ())


def _say(text: object) -> None:
    for line in str(text).splitlines():
        print(printable(line))


@app.command()
def progress(
    folder: Lessons = Path(),
    page: Annotated[
        Path | None, typer.Option(help="Also write a page with your code and its points.")
    ] = None,
    merge: Merge = None,
) -> None:
    """Show all lessons: what is done, what is misunderstood, what comes next, minutes left.

    It is read from attempts.jsonl, which checks in notebooks write beside your lessons.

    **Examples**

        autograder progress my-lessons --page my-progress.html

        autograder progress my-lessons --merge laptop/attempts.jsonl
    """
    from autograder.learning.history import merge_histories
    from autograder.learning.progress import progress_in, summary_page
    from autograder.learning.shelf import log_in

    others = _present(merge)
    if others:
        print(f"{merge_histories(log_in(_folder(folder)), others)} lines came from elsewhere")
    found = progress_in(_folder(folder))
    _say(found)
    if page is not None:
        page.write_text(summary_page(found, folder), encoding="utf-8")
        print(f"wrote {page}")


@app.command()
def review(
    folder: Lessons = Path(),
    page: Annotated[
        Path | None, typer.Option(help="Write it as a page for a phone, and ask nothing.")
    ] = None,
    calendar: Annotated[
        Path | None, typer.Option(help="Write an .ics file of the next days, and ask nothing.")
    ] = None,
    qr: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Write review.svg, a code for a phone: the page at ADDRESS with your boxes.",
        ),
    ] = "",
    merge: Annotated[
        list[str] | None,
        typer.Option("--merge", help="A link of the page, or another device's review.json."),
    ] = None,
) -> None:
    """Ask again what you got wrong: at most five questions a day, in growing intervals.

    Enter skips a question. Boxes and questions are kept in review.json, beside your lessons.

    **Examples**

        autograder review my-lessons

        autograder review my-lessons --page review.html --calendar review.ics

        autograder review my-lessons --qr https://example.org/review.html
    """
    import datetime

    from autograder import expectations
    from autograder.learning import review as boxes
    from autograder.learning.history import read_history
    from autograder.learning.review_page import page_of, qr_of
    from autograder.learning.shelf import log_in

    log, now = log_in(_folder(folder)), datetime.datetime.now()
    history, provider = read_history(log), expectations.default()
    made = boxes.opened(log.with_name(boxes.FILE), history, provider, now, merge or ())
    for file, text in (
        (page, page_of(made)),
        (calendar, boxes.calendar_of(made, now)),
    ):
        if file is not None:
            file.write_text(text, encoding="utf-8", newline="")
            print(f"wrote {file}")
    if calendar and not boxes.days_ahead(made, now):
        print("No day is in it: once today's questions are answered, nothing waits for a week.")
    if qr:
        code = Path("review.svg")
        code.write_bytes(qr_of(qr, made.boxes))
        print(f"wrote {code}")
    if page or calendar or qr:
        _say("\n".join((*history.remarks, *made.remarks)))
        return
    try:
        boxes.review_beside(log, history, provider, input, _say)
    except (EOFError, KeyboardInterrupt):
        print("\nStopped; what was answered is kept.")


@app.command()
def questions(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A notebook or .py file of yours.")],
    exercise: Annotated[str, typer.Option(help="Only about this one, such as optim.sgd.")] = "",
) -> None:
    """Ask about your own code: at most two questions on a function that passes its check.

    Nothing is graded, and Enter skips. The file's functions run here, its other cells do not.

    **Example**

        autograder questions my-lessons/02_batch_normalization.ipynb
    """
    import random

    from autograder import exercises
    from autograder.grading.own_file import check_file
    from autograder.learning.definitions import functions_in, source_of
    from autograder.learning.questions import ask_about
    from autograder.submissions.notebook import Unreadable

    _present([file])
    try:
        reports, _ = check_file(file)
    except Unreadable as error:
        raise LearnerError(f"{file}: {error}") from None
    passed = [r.exercise_id for r in reports if r.score == r.points]
    wanted = [name for name in passed if exercise in ("", name)]
    if not wanted:
        raise LearnerError(f"{file} has no function yet that passes its check; then come again.")
    rng = random.Random()
    chosen = exercises.find(rng.choice(wanted))
    source = source_of(file, chosen.grade_id)
    defined = functions_in(source)
    own = {name: defined[name] for name in chosen.functions}
    try:
        ask_about(chosen, own, source, rng, [], input, _say)
    except (EOFError, KeyboardInterrupt):
        print("\nStopped.")
