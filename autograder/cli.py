"""The command line: `autograder init`, `build`, `kit`, `grade`, `report`, `check`, `doctor` …

A user's mistake is one line on standard error that says what to do, and exit status 2.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from autograder.bars import GradingInterrupted, printable, stages
from autograder.course.answering import AsJson, answering, students
from autograder.course.commands import FAILED, CourseFolder, LessonName
from autograder.course.commands import app as instructors
from autograder.course.commands_regrade import app as regrades
from autograder.learner_commands import app as learners
from autograder.learning.errors import LearnerError

app = typer.Typer(
    epilog="Try it first: autograder demo",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.add_typer(instructors)
app.add_typer(learners)
app.add_typer(regrades)
# What is imported from the packages of an extra.
EXTRAS = {
    "grade": [
        *("bleach", "jinja2", "jupytext", "latex2mathml", "nbconvert", "nbgrader"),
        *("pygments", "sqlalchemy", "yaml"),
    ],
    "torch": ["torch", "safetensors", "scipy", "skimage", "sklearn"],
    "cluster": ["dask", "distributed", "dask_jobqueue"],
    "lti": ["pylti1p3"],
    "postgres": ["psycopg"],
    "qr": ["segno"],
    "similarity": ["copydetect"],
}
NOT_OWN = ("site-packages", "__pycache__", "setup.py")
MOST_PROGRAMS = 100  # files below a folder that are taken together
FORCED = "what was graded again is kept, and the same command begins anew"
NAMED = 5  # students that one line names
WRONG_INPUT = 2
INTERRUPTED = 130
PROJECT = "cs231n-lecture7-course"
QUIET = "--quiet"
# Of Click, or of the copy of it that typer has.
WrongUsage: type[Exception] = typer.BadParameter.__bases__[0]


def show_version(wanted: bool) -> None:
    """Print the version and leave."""
    if wanted:
        print(f"autograder {version(PROJECT)}")
        raise typer.Exit


@app.callback()
def options(
    shown: Annotated[
        bool,
        typer.Option("--version", callback=show_version, is_eager=True, help="Show it and exit."),
    ] = False,
    quiet: Annotated[
        bool, typer.Option(QUIET, help="Print problems only; also after the command.")
    ] = False,
) -> None:
    """Build, check and grade the lessons of the course."""


@app.command()
def init(
    course: CourseFolder,
    lesson: Annotated[list[str] | None, typer.Option(help="Only this lesson; repeatable.")] = None,
    exchange: Annotated[
        Path | None, typer.Option(help="Folder through which nbgrader hands out assignments.")
    ] = None,
) -> None:
    """Make a course folder for nbgrader, or complete one; what is there is kept.

    **Example**

        autograder init my-course --exchange /srv/nbgrader/exchange

        cd my-course

        nbgrader generate_assignment 02_batch_normalization

        nbgrader release_assignment 02_batch_normalization
    """
    from autograder.course.folder import init

    made, done = init(course, lesson or (), exchange)
    if any(one.due for one in made.settings().lessons.values()):
        from autograder.course.markbook import enter_due_dates

        done += [f"entered when {name} is due" for name in enter_due_dates(made)]
    for line in done or ["everything was there already"]:
        print(f"{made.root.name}: {line}")


@app.command()
def build(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail when something is out of date.")
    ] = False,
) -> None:
    """Write the student and solution notebooks from notebooks/src, and what wrong answers show.

    **Example**

        autograder build --check     # in a test: are the committed files up to date?
    """
    from autograder.lessons import recordings
    from autograder.lessons.build import OutOfDate, build_all
    from autograder.lessons.lesson import shown

    try:
        written = build_all(check=check)
        if check and (stale := recordings.stale()):
            raise OutOfDate(f"recordings of {family}: made from other files" for family in stale)
        written += recordings.renew()
    except OutOfDate as error:
        print(error, file=sys.stderr)
        raise typer.Exit(FAILED) from None
    for path in written:
        print(f"wrote {shown(path)}")
    if not written:
        print("every notebook is up to date")


@app.command()
def lessons(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to put them.")],
    lesson: Annotated[
        list[str] | None, typer.Argument(metavar="[LESSON...]", help="As 2 or 02; all if none.")
    ] = None,
) -> None:
    """Put the lessons into a folder, to work in; what is there already is kept.

    **Example**

        autograder lessons my-lessons

        jupyter lab my-lessons/00_getting_started.ipynb
    """
    from autograder.course.errors import CourseError
    from autograder.lessons.take import take_lessons

    if folder.is_file():
        raise CourseError(f"{folder} is a file: name a folder.")
    try:
        taken = take_lessons(folder, lesson or ())
    except FileNotFoundError as error:
        raise CourseError(f"There is {error}; lessons are 00 to 13.") from None
    print(f"{len(taken.new)} lessons written to {folder}, {len(taken.same)} were there")
    for name in taken.kept:
        print(f"{name} is not as it was handed out (you worked in it?) and was left as it is")


@app.command()
def kit(
    folder: Annotated[Path, typer.Argument(help="Where to write it; FOLDER.zip too.")] = Path(
        "kit"
    ),
) -> None:
    """Write what students get: notebooks and packages without any answer, as folder and zip.

    **Example**

        autograder kit handout
    """
    from autograder.lessons.kit import write_kit

    out = write_kit(folder)
    print(f"wrote {out} and {out.with_name(out.name + '.zip').name}")


@app.command()
def grade(
    course: CourseFolder,
    lesson: LessonName,
    student: Annotated[list[str] | None, typer.Option(help="Only this one; repeatable.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Grade again what has not changed.")
    ] = False,
    remark: Annotated[
        bool,
        typer.Option(
            "--remark", help="Judge again from what was observed; no code of students is run."
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Write nothing; say whose mark would change and why. With --force, what only a "
            "run can tell is run too.",
        ),
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Submissions at a time.")] = 2,
    cluster: Annotated[
        str,
        typer.Option(
            help="Dask's workers grade: `local`, `slurm`, `kubernetes`, or tls://HOST:PORT."
        ),
    ] = "",
    certificates: Annotated[
        Path | None, typer.Option(help="Folder with those of the scheduler.")
    ] = None,
    feedback: Annotated[
        bool, typer.Option("--feedback", help="Also write feedback pages.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Grade all submissions of a lesson: marks, comments and hints go to nbgrader's gradebook.

    **Examples**

        autograder grade my-course 2

        autograder grade my-course 2 --student ada --force --feedback

        autograder grade my-course 2 --dry-run    # whose mark would change, and why

        autograder grade my-course 2 --remark     # after a change of points, judges or names
    """
    from autograder.course.early import start_early
    from autograder.course.errors import CourseError

    if force and remark:
        raise CourseError("--force executes again and --remark does not: give one of them.")
    if cluster and (remark or dry_run):
        raise CourseError("--cluster executes: leave it out with --remark and --dry-run.")
    is_run_here = not (remark or dry_run or cluster)
    started = start_early(course, lesson, student or (), force) if is_run_here else None
    from autograder.course.folder import find_name, open_course
    from autograder.course.grade_class import grade_class

    with answering(as_json) as answer:
        if dry_run:
            return show_preview(course, lesson, student or (), force, jobs, answer)
        with stages(FORCED) if force else stages() as tell:
            opened = open_course(course)
            name = find_name(lesson, opened.lessons())
            graded = grade_class(
                opened,
                name,
                students=student or (),
                force=force,
                remark=remark,
                jobs=jobs,
                cluster=cluster,
                certificates=certificates,
                feedback=feedback,
                progress=tell,
                started=started,
            )
        from autograder.course.markbook import settle
        from autograder.course.roster import read_roster
        from autograder.course.summary import table

        settle(opened)
        answer(
            {
                "lesson": name,
                "students": students(graded.results.values()) if as_json else {},
                "unchanged": graded.unchanged,
                "faults": graded.faults,
                "unread": graded.unread,
            }
        )
        Console().print(table(graded.lines.values(), name, read_roster(opened)))
        if graded.unchanged:
            print(f"{len(graded.unchanged)} were unchanged and already in the gradebook.")
        print_otherwise(course, name, graded.otherwise)
        complain(graded)


def print_otherwise(course: Path, lesson: str, otherwise: Sequence[str]) -> None:
    """Print what the released notebook counts otherwise than course.toml has it, if anything."""
    if otherwise:
        print(
            f"In the released {lesson} {'; '.join(otherwise)}: run `autograder init {course}` and, "
            f"in {course}, `nbgrader generate_assignment {lesson} --force`, then grade again."
        )


def show_preview(course: Path, lesson: str, students, execute: bool, jobs: int, answer) -> None:
    """Print what grading again would change."""
    from autograder.course.folder import find_name, open_course
    from autograder.course.preview import preview

    opened = open_course(course)
    name = find_name(lesson, opened.lessons())
    with stages("nothing was written") as tell:
        found = preview(opened, name, students=students, execute=execute, jobs=jobs, progress=tell)
    answer({"lesson": name, **asdict(found)})
    for change in found.changes:
        before = "none" if change.before is None else f"{change.before:g}"
        why = printable("; ".join(change.why))
        print(f"{printable(change.student)}: {before} → {change.after:g}, {why}")
    print(found.words)
    print_otherwise(course, name, found.otherwise)
    for why, who in found.reasons().items():
        named = ", ".join(map(printable, who[:NAMED]))
        more = f" and {len(who) - NAMED} more" if len(who) > NAMED else ""
        print(f"{named}{more}: {why}", file=sys.stderr)
    for student, why in found.faults.items():
        print(f"{printable(student)}: {printable(why)}", file=sys.stderr)
    if found.faults:
        raise typer.Exit(FAILED)


def complain(graded) -> None:
    """Say on standard error what was not read or written, and leave with a status that tells."""
    for who, sentences in graded.unread.items():
        for sentence in sentences:
            print(f"{printable(who)}: {printable(sentence)}.", file=sys.stderr)
    for who, why in graded.faults.items():
        print(f"{printable(who)}: {printable(why)}", file=sys.stderr)
    if graded.lost or graded.faults:
        raise typer.Exit(FAILED)


@app.command()
def report(
    course: CourseFolder,
    lesson: Annotated[
        str, typer.Argument(metavar="[LESSON]", help="As 2 or 02; all lessons if none.")
    ] = "",
    output: Annotated[Path | None, typer.Option(help="The page to write.")] = None,
    disputes: Annotated[
        bool,
        typer.Option("--disputes", help="List the checks that students think are wrong, only."),
    ] = False,
    notebook: Annotated[
        bool, typer.Option("--notebook", help="Write a lesson's report as a notebook, only.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a class understood, as a table and as a page for the browser.

    The page shows marks, the roster, feedback and what changed since the previous hand-in.

    **Examples**

        autograder report my-course 2 --output class.html

        autograder report my-course                # all lessons on one page

        autograder report my-course --disputes

        autograder report my-course 2 --notebook     # to go on from in Jupyter
    """
    from autograder.course.errors import CourseError
    from autograder.course.folder import find_name, open_course
    from autograder.course.reporting import list_disputes, report_course, report_lesson

    opened = open_course(course)
    name = find_name(lesson, opened.lessons()) if lesson else ""
    with answering(as_json) as answer:
        if disputes:
            lines = list(list_disputes(opened, name))
            answer({"lesson": name, "disputes": lines})
            for line in lines:
                print(printable(line))
        elif notebook:
            from autograder.course.report_notebook import write_notebook

            if not name:
                raise CourseError("--notebook holds one lesson: name it after the course.")
            page = write_notebook(opened, name, output)
            answer({"lesson": name, "page": str(page)})
            print(f"wrote {page}")
        elif name:
            results, shown, page = report_lesson(opened, name, output)
            answer({"lesson": name, "students": students(results), "page": str(page)})
            Console().print(shown)
            print(f"wrote {page}")
        else:
            page = report_course(opened, output)
            answer({"page": str(page)})
            print(f"wrote {page}")


@app.command()
def check(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="A notebook of the course, any .ipynb, or .py files; a folder."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Run the instant checks on files and show the tables, without Jupyter.

    Several .py files are taken together, and so are all below a folder, such as an old assignment:
    then the last lines say which exercises of which lesson are already right, and `autograder
    carry` takes those over. Exit status 1 when points are missing, so that it fits in scripts.

    **Examples**

        autograder check notebooks/student/02_batch_normalization.ipynb

        autograder check layers.py optim.py     # every function that an exercise asks for

        autograder check old-assignment
    """
    from autograder.checking.report import total
    from autograder.course.errors import CourseError
    from autograder.grading.own_file import check_files
    from autograder.submissions.notebook import Unreadable

    programs = [path for file in files for path in _programs(file)]
    notebooks = [file for file in files if file.suffix != ".py" and not file.is_dir()]
    reports, problems = [], []
    for together in filter(None, (programs, *([notebook] for notebook in notebooks))):
        try:
            found = check_files(together)
        except Unreadable as error:
            raise CourseError(f"{together[0]}: {error}") from None
        reports.extend(found[0])
        problems.extend(found[1])
        _write_down(together[0], found[0])
    if not reports:
        why = "".join(f" {problem}" for problem in problems)
        named = ", ".join(map(str, files))
        raise CourseError(
            f"{named} defines no function that an exercise asks for; `autograder list` names "
            f"them all.{why}"
        )
    came_to = total(reports)
    with answering(as_json) as answer:
        answer(
            {
                "exercises": [report.public().to_dict() for report in reports],
                **asdict(came_to),
                "problems": problems,
            }
        )
        for one in reports:
            print(one)
        for problem in problems:
            print(printable(problem))
        if any(file.is_dir() for file in files):
            from autograder.learning.shelf import by_lesson

            for line in by_lesson(reports):
                print(line)
        print(came_to)
    if any(report.score < report.points for report in reports):
        raise typer.Exit(FAILED)


def _write_down(file: Path, reports) -> None:
    """Note what was tried in the log of the folder, where somebody learns there."""
    from autograder.checking.attempts import Attempts
    from autograder.checking.observe import STUB_MESSAGE
    from autograder.learning.shelf import log_in

    log = log_in(file.parent)
    if log.is_file():
        attempts, code = Attempts(log), hashlib.sha256(file.read_bytes()).hexdigest()[:16]
        for report in reports:
            if not all(row.message == STUB_MESSAGE for row in report.rows):
                attempts.note(report, code)


def _programs(file: Path) -> list[Path]:
    """Return the .py files that an argument stands for."""
    from autograder.course.errors import CourseError

    if not file.exists():
        raise CourseError(f"There is no file {file}.")
    if not file.is_dir():
        return [file] if file.suffix == ".py" else []
    found = sorted(path for path in file.rglob("*.py") if _is_own(path.relative_to(file)))
    if not found:
        raise CourseError(f"{file} is a folder without .py files: name a notebook in it.")
    if len(found) > MOST_PROGRAMS:
        raise CourseError(f"{file} has {len(found)} .py files: name those that are yours.")
    return found


def _is_own(path: Path) -> bool:
    """Whether a file below a folder is somebody's own, and no environment's or installer's."""
    parts = path.parts
    return not any(part.startswith(".") or part in NOT_OWN for part in parts)


@app.command()
def carry(
    target: Annotated[
        Path, typer.Argument(metavar="NOTEBOOK", help="Of a later lesson; a cell goes into it.")
    ],
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Notebooks of earlier lessons, or .py files."),
    ],
) -> None:
    """Write your checked functions of earlier lessons into one cell of a later notebook.

    What is missing or loses points is named, and the framework's takes its place. Run it again
    whenever you have improved something: the cell is replaced.

    **Example**

        autograder carry 13_capstone.ipynb 02_batch_normalization.ipynb 05_adaptive_methods.ipynb
    """
    from autograder.carry import CarryError
    from autograder.carry import carry as carry_over
    from autograder.course.errors import CourseError

    try:
        carried = carry_over(target, sources)
    except CarryError as error:
        raise CourseError(str(error)) from None
    for line in carried.report().splitlines():
        print(printable(line))


@app.command(name="list")
def list_exercises(
    family: Annotated[str, typer.Argument(help="Only this family, such as optim.")] = "",
) -> None:
    """List all exercises: the name that a check takes, its points, its title.

    **Example**

        autograder list optim
    """
    from autograder.course.errors import CourseError, nearest
    from autograder.exercises import all_exercises

    families = sorted({exercise.family for exercise in all_exercises()})
    if family and family not in families:
        raise CourseError(f"There is no family {family!r}.{nearest(family, families)}")
    for exercise in all_exercises():
        if family in ("", exercise.family):
            points = f"{exercise.points:g}{' bonus' if exercise.bonus else ''}"
            print(f"{exercise.id:<52} {points:>9}  {exercise.title}")


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Where to make the course.")] = Path("demo-course"),
) -> None:
    """Make a course with a class of made-up students, grade it, and show what came out.

    **Example**

        autograder demo
    """
    from autograder.course.demo import run

    run(folder)


@app.command()
def doctor(
    course: Annotated[
        Path | None, typer.Argument(metavar="[COURSE]", help="Look at this course too.")
    ] = None,
    cluster: Annotated[
        str, typer.Option(help="Look at this one: `kubernetes`, or tls://HOST:PORT.")
    ] = "",
    certificates: Annotated[
        Path | None, typer.Option(help="Folder with those of the scheduler.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what is fine.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what this machine has and lacks: to learn, and where nbgrader is installed, to grade.

    What is fine is left out. Exit status 1 when something is missing without which no lesson opens
    or nothing can be graded.

    **Examples**

        autograder doctor               # Python, PyTorch, device, data

        autograder doctor my-course     # how well submissions are kept apart, and the course
    """
    import importlib.util

    from autograder.course.doctor import examine, examine_cluster, table
    from autograder.learning.machine import look

    found = {} if course else {"to learn": look()}
    if course or importlib.util.find_spec("nbgrader"):
        found["to grade"] = examine(course)
    if cluster:
        found["the cluster"] = examine_cluster(cluster, certificates)
    findings = [finding for part in found.values() for finding in part]
    with answering(as_json) as answer:
        answer([asdict(finding) for finding in findings])
        for title, part in found.items():
            if title == "to grade":
                print(f"{part[0].what}: {part[0].why}")
            shown = part if everything else [one for one in part if not one.fine]
            if shown:
                Console().print(table(shown, title))
            else:
                print(f"{title}: {len(part)} things were looked at, and all is well")
    if not all(finding.fine for finding in findings if finding.needed):
        raise typer.Exit(FAILED)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a user's mistake ends in one line and exit status 2."""
    # Neither imports nor a class of results leave cycles behind, and looking for them as often as
    # Python does would take a fifth of the time of the one and a third of that of the other.
    gc.set_threshold(50_000, 10, 100)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may have no letters such as ✓
            stream.reconfigure(errors="replace")
    import autograder.grading  # noqa: F401 - first of all, for what it spares
    from autograder.course.errors import CourseError
    from autograder.lessons.errors import BuildError, KitError

    given = list(sys.argv[1:] if arguments is None else arguments)
    terminal = sys.stderr  # which threads that judge replace for a while
    try:
        with quietly(given):
            wanted = [one for one in given if one != QUIET]
            sys.exit(app(args=wanted, prog_name="autograder", standalone_mode=False) or 0)
    except WrongUsage as error:
        leave(wrong_usage(error))
    except typer.Abort:  # a question was not answered with yes
        leave("Nothing was done.", FAILED)
    except (CourseError, BuildError, KitError, LearnerError) as error:
        leave(str(error))
    except ModuleNotFoundError as error:
        extra = extra_of(error.name or "")
        if extra is None:
            raise
        leave(f"This needs {error.name}: pip install 'cs231n-lecture7-course[{extra}]'")
    except PermissionError as error:
        leave(f"No permission for {error.filename}: change it, or choose another folder.")
    except OSError as error:
        name = error.filename2 or error.filename  # where a file was to be put, not its draft
        place = f"{name}: " if name else ""
        leave(f"{place}{error.strerror or error}. What was written before is kept.")
    except GradingInterrupted as error:
        say(str(error), terminal)
        end_now(INTERRUPTED)
    except SystemExit as left:
        if left.code == INTERRUPTED:  # what typer makes of Ctrl-C
            say("Stopped. What was done before is kept.", terminal)
            end_now(INTERRUPTED)
        raise


@contextlib.contextmanager
def quietly(arguments: Sequence[str]):
    """Drop what is printed on standard output where that is asked for, but for JSON and help."""
    if QUIET not in arguments or {"--json", "--help", "-h", "--version"} & {*arguments}:
        yield
        return
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def wrong_usage(error) -> str:
    """Return what is wrong in how a command was called; nothing where its help was shown."""
    said = error.format_message().strip().rstrip(".")
    command = error.ctx.command_path if error.ctx else "autograder"
    return said and f"{said}; `{command} -h` explains it."


def extra_of(module: str) -> str | None:
    """Return the extra of this package that brings a module, if one does.

    >>> extra_of("nbgrader"), extra_of("torch.nn"), extra_of("autograder")
    ('grade', 'torch', None)
    """
    for extra, modules in EXTRAS.items():
        if module.partition(".")[0] in modules:
            return extra
    return None


def end_now(status: int) -> None:
    """End without waiting for the threads that grade: what they were at is done again."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def leave(message: str, status: int = WRONG_INPUT) -> None:
    """Print one line on standard error and exit; nothing is said without a message."""
    if message:
        say(message)
    sys.exit(status)


def say(message: str, file=None) -> None:
    """Print one line on standard error."""
    line = f"autograder: {printable(' '.join(message.split()))}"
    print(line, file=file or sys.stderr, flush=True)
