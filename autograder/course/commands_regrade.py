"""Commands for what comes after grading: requests to look again, and work that still arrives."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autograder.bars import printable
from autograder.course.commands import CourseFolder, LessonName

app = typer.Typer()
regrade_app = typer.Typer(help="Requests to look at a mark again.", no_args_is_help=True)
app.add_typer(regrade_app, name="regrade")


def _show(request) -> None:
    """Print one request on one line, and the note of who decided."""
    said = f" ({request.note})" if request.note else ""
    about = f"{request.student}, {request.lesson}, {request.question}: {request.reason}"
    print(printable(f"{request.number} {request.state}{said}  {about}"))


@regrade_app.command(name="request")
def request_regrade(
    course: CourseFolder,
    lesson: LessonName,
    student: Annotated[str, typer.Argument(metavar="STUDENT", help="Who asks.")],
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="An exercise or question.")],
    reason: Annotated[str, typer.Argument(metavar="REASON", help="In a sentence or two.")],
) -> None:
    """Enter a request; refused after `regrades_until` of the lesson in course.toml.

    **Example**

        autograder regrade request my-course 2 ada why-3 "My answer names the mean."
    """
    from autograder.course.folder import find_name, open_course
    from autograder.course.regrades import request

    opened = open_course(course)
    _show(request(opened, find_name(lesson, opened.lessons()), student, question, reason))


@regrade_app.command(name="list")
def list_regrades(
    course: CourseFolder,
    lesson: Annotated[
        str, typer.Argument(metavar="[LESSON]", help="As 2 or 02; all if none.")
    ] = "",
    state: Annotated[str, typer.Option(help="Only open, granted or declined ones.")] = "",
) -> None:
    """List requests in the order in which they came.

    **Example**

        autograder regrade list my-course --state open
    """
    from autograder.course.folder import find_name, open_course
    from autograder.course.regrades import requests

    opened = open_course(course)
    name = find_name(lesson, opened.lessons()) if lesson else ""
    found = requests(opened, name, state)
    for one in found:
        _show(one)
    if not found:
        print("there are no such requests")


@regrade_app.command(name="decide")
def decide_regrade(
    course: CourseFolder,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="As `list` shows it.")],
    state: Annotated[str, typer.Argument(metavar="DECISION", help="granted or declined.")],
    note: Annotated[str, typer.Option(help="What the student should know.")] = "",
) -> None:
    """Grant or decline a request; the mark itself is changed in the formgrader.

    **Example**

        autograder regrade decide my-course 1 granted --note "You are right."
    """
    from autograder.course.folder import open_course
    from autograder.course.regrades import decide

    _show(decide(open_course(course), number, state, note))


@app.command()
def watch(
    course: CourseFolder,
    lesson: LessonName,
    seconds: Annotated[float, typer.Option(min=0.1, help="Between two looks.")] = 5.0,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Submissions at a time.")] = 2,
) -> None:
    """Grade what arrives in submitted/, a line each, until Ctrl-C.

    A submission is graded once its files rested between two looks, and again when they change.

    **Example**

        autograder watch my-course 2
    """
    from autograder.course.folder import find_name, open_course
    from autograder.course.watch import watch as lines

    opened = open_course(course)
    name = find_name(lesson, opened.lessons())
    print(
        f"Grading what arrives in {opened.root / 'submitted'} for {name}; Ctrl-C ends it.",
        flush=True,
    )
    for line in lines(opened, name, seconds=seconds, jobs=jobs):
        print(printable(line), flush=True)


@app.command(name="gradescope-zip")
def gradescope_zip(
    lesson: LessonName,
    output: Annotated[Path, typer.Argument(metavar="OUT", help="The zip to write.")],
) -> None:
    """Write the autograder zip of a lesson for Gradescope: public seeds, no answer, no secret.

    Marks there are unofficial where Gradescope's container allows no namespaces; the results say
    so. Choose Ubuntu 24.04 as its base image.

    **Example**

        autograder gradescope-zip 2 autograder.zip
    """
    from autograder.course.folder import find_name
    from autograder.course.gradescope_zip import write_zip
    from autograder.lessons.lesson import SRC, find_lesson

    name = find_name(lesson, sorted(path.stem for path in SRC.glob("*.py")))
    print(f"wrote {write_zip(find_lesson(name), output)}")
