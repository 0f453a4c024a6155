"""The commands of an instructor's day, from roster to export; `autograder.cli` adds them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from autograder.bars import printable

app = typer.Typer()
roster_app = typer.Typer(help="Who is in the class.", no_args_is_help=True)
app.add_typer(roster_app, name="roster")
cluster_app = typer.Typer(help="Grade on many machines (docs/scale.md).", no_args_is_help=True)
app.add_typer(cluster_app, name="cluster")
gradebook_app = typer.Typer(help="Where the marks are kept.", no_args_is_help=True)
app.add_typer(gradebook_app, name="gradebook")

CourseFolder = Annotated[Path, typer.Argument(metavar="COURSE", help="The folder of the course.")]
LessonName = Annotated[str, typer.Argument(metavar="LESSON", help="As 2, 02 or the full name.")]
FAILED = 1


def _complain(problems) -> None:
    """Say each problem on standard error and leave with a status that tells."""
    for problem in problems:
        print(printable(problem), file=sys.stderr)
    if problems:
        raise typer.Exit(FAILED)


@roster_app.command(name="import")
def import_roster(
    course: CourseFolder,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV of Canvas, Moodle or Gradescope.")
    ],
) -> None:
    """Add the students of a platform's CSV to roster.csv; nobody is removed.

    Canvas: Grades, Export. Moodle: the list of participants, or a grading worksheet (which has the
    numbers that its zips are matched by). Gradescope: Roster, Download. Import several: a student
    keeps their folder, and has all numbers.

    **Example**

        autograder roster import my-course canvas-grades.csv
    """
    from autograder.course.folder import open_course
    from autograder.course.roster import import_people, read_roster, write_roster

    opened = open_course(course)
    found = import_people(read_roster(opened), file)
    write_roster(opened, found.roster)
    print(
        f"{found.platform}: {len(found.added)} added, {len(found.changed)} changed; the class has "
        f"{len(found.roster)} students (roster.csv)"
    )
    if found.missing:
        shown = ", ".join(found.missing[:5]) + ("…" if len(found.missing) > 5 else "")
        print(f"kept, although the file lacks them: {printable(shown)}")
    _complain(found.problems)


@roster_app.command(name="show")
def show_roster(course: CourseFolder) -> None:
    """List the class.

    **Example**

        autograder roster show my-course
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from autograder.course.errors import CourseError
    from autograder.course.folder import open_course
    from autograder.course.roster import read_roster

    people = read_roster(open_course(course))
    if not len(people):
        raise CourseError(f"Nobody is in the roster: run `autograder roster import {course} FILE`.")
    columns = ("id", "name", "email", "section")
    table = Table(*columns)
    for person in people:
        table.add_row(*(Text(printable(getattr(person, name))) for name in columns))
    Console().print(table)


@gradebook_app.command(name="move")
def move(
    course: CourseFolder,
    url: Annotated[
        str, typer.Argument(metavar="URL", help="As postgresql+psycopg://USER@HOST/DATABASE.")
    ],
) -> None:
    """Copy the gradebook to another database, an empty one; the old one stays as it is.

    **Example**

        autograder gradebook move my-course postgresql+psycopg://grader@db.example.org/course
    """
    from autograder.course.folder import open_course
    from autograder.course.move_gradebook import move_gradebook

    opened = open_course(course)
    counts = move_gradebook(opened, url)
    print(f"copied {counts['student']} students and {counts['grade']} marks")
    print(f"now name it in {opened.config}: c.CourseDirectory.db_url = URL")


@cluster_app.command(name="certificates")
def make_certificates(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to put both files.")],
) -> None:
    """Make a certificate and its key, by which scheduler, workers and coordinator know each other.

    Who has the key may mark. Give both files to those machines only, and keep them at mode 600.

    **Example**

        autograder cluster certificates certificates
    """
    from autograder.course.errors import CourseError
    from autograder.grading.cluster import ClusterError, write_certificates

    try:
        for path in write_certificates(folder):
            print(f"wrote {path}")
    except ClusterError as error:
        raise CourseError(str(error)) from None


@app.command()
def collect(
    course: CourseFolder,
    lesson: LessonName,
    archives: Annotated[
        list[Path],
        typer.Argument(
            metavar="ZIP...", help="As Canvas, Moodle, Blackboard or Gradescope export it."
        ),
    ],
    times: Annotated[
        Path | None, typer.Option(help="CSV with times of submission, where the zip has none.")
    ] = None,
) -> None:
    """Put the notebooks of a platform's zip where they are graded.

    Of several hand-ins the latest counts; without times, the one with the highest number. What was
    collected before is kept in .autograder/earlier. Exit status 1 when something was not collected.

    **Examples**

        autograder collect my-course 2 submissions.zip

        autograder collect my-course 2 moodle.zip --times grading-worksheet.csv
    """
    from autograder.course.collect import collect as collect_zips
    from autograder.course.folder import find_name, open_course
    from autograder.course.roster import read_roster

    opened = open_course(course)
    name = find_name(lesson, opened.lessons())
    done = collect_zips(opened, name, archives, read_roster(opened), times)
    counts = ", ".join(f"{done.count(s)} {s}" for s in ("new", "replaced", "unchanged"))
    print(f"{name}: {len(done.students)} students: {counts}")
    for student in done.late_unknown:
        print(f"{printable(student)}: late, by how much unknown (name the times with --times CSV)")
    _complain(done.problems)


@app.command()
def late(course: CourseFolder) -> None:
    """Show late days of all students, and bring penalties in the gradebook up to date.

    The rule stands in course.toml; a due date or extension that changed is taken into account.

    **Example**

        autograder late my-course
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from autograder.course.folder import open_course
    from autograder.course.late import days_left
    from autograder.course.markbook import marks, settle
    from autograder.course.settings import read_settings

    opened = open_course(course)
    settings = read_settings(opened.root)
    lines = [line for line in marks(opened, settings) if line.lateness.words]
    decided = {(line.student, line.lesson): line.lateness for line in lines}
    table = Table("student", "lesson", "what it costs", "late days left")
    for line in lines:
        left = str(days_left(decided, settings, line.student)) if settings.late else "–"
        table.add_row(
            *(Text(printable(cell)) for cell in (line.student, line.lesson, line.lateness.words)),
            left,
        )
    if lines:
        Console().print(table)
    else:
        print("nobody is late")
    if settings.late is None:
        print("course.toml has no [late]: penalties are those of the gradebook")
        return
    print(f"{settle(opened, settings)} penalties changed in the gradebook")


@app.command()
def export(
    course: CourseFolder,
    lesson: Annotated[
        str, typer.Argument(metavar="[LESSON]", help="As 2 or 02; all lessons for --csv.")
    ] = "",
    csv: Annotated[bool, typer.Option("--csv", help="marks.csv and questions.csv.")] = False,
    canvas: Annotated[bool, typer.Option("--canvas", help="What Canvas imports.")] = False,
    moodle: Annotated[bool, typer.Option("--moodle", help="What Moodle imports.")] = False,
    blackboard: Annotated[bool, typer.Option("--blackboard", help="For its grade centre.")] = False,
    gradescope: Annotated[
        bool, typer.Option("--gradescope", help="A results.json for each student.")
    ] = False,
    template: Annotated[
        Path | None,
        typer.Option(help="What the platform exported: one column is filled, the rest kept."),
    ] = None,
    column: Annotated[str, typer.Option(help="Its heading, where LESSON does not find it.")] = "",
    output: Annotated[Path | None, typer.Option(help="The folder to write into.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write over what is there.")] = False,
) -> None:
    """Write marks in the form of another system, with bonus, late work and names.

    **Examples**

        autograder export my-course --csv

        autograder export my-course 2 --canvas --template canvas-grades.csv
    """
    from autograder.course.errors import CourseError
    from autograder.course.export import export as write
    from autograder.course.folder import find_name, open_course

    chosen = {
        "csv": csv,
        "canvas": canvas,
        "moodle": moodle,
        "blackboard": blackboard,
        "gradescope": gradescope,
    }
    names = [name for name, is_chosen in chosen.items() if is_chosen]
    if len(names) != 1:
        listed = ", ".join(f"--{name}" for name in chosen)
        raise CourseError(f"Choose one form of export: {listed}.")
    opened = open_course(course)
    name = find_name(lesson, opened.lessons()) if lesson else ""
    folder = output or opened.root / "exports" / names[0]
    done = write(opened, names[0], folder, name, template, column, replace)
    for path in done.files[:3]:
        print(f"wrote {path}")
    if len(done.files) > 3:
        print(f"and {len(done.files) - 3} more in {folder}")
    for note in done.notes:
        print(printable(note), file=sys.stderr)


@app.command()
def pack(
    notebook: Annotated[Path, typer.Argument(metavar="NOTEBOOK", help="What you hand in.")],
    modules: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE.py...]", help="What it imports.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="The zip; NOTEBOOK.zip by default.")] = None,
) -> None:
    """Check that a notebook is complete and make the zip that you upload.

    Prints the score of the instant checks and the digest, by which your instructor can tell that
    what arrived is what you packed. Exit status 1 when something is not written yet; the zip is
    made all the same.

    **Example**

        autograder pack 02_batch_normalization.ipynb
    """
    from autograder.course.pack import pack as make
    from autograder.grading.own_file import check_files

    packed = make(notebook, output, modules or ())
    reports, _ = check_files([notebook])
    counted = [report for report in reports if not report.bonus]
    earned, points = (sum(getattr(r, part) for r in counted) for part in ("score", "points"))
    print(
        f"{earned:g} of {points:g} points by the instant checks (your instructor's inputs differ)"
    )
    print(f"wrote {packed.path}, sha256 {packed.digest}")
    if packed.missing:
        print(f"not written yet: {', '.join(packed.missing)}", file=sys.stderr)
        raise typer.Exit(FAILED)


@app.command()
def forget(
    course: CourseFolder,
    student: Annotated[str, typer.Argument(metavar="STUDENT", help="The name of the folder.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove everything of one student: files, results, marks, the line of the roster.

    **Example**

        autograder forget my-course ada
    """
    from autograder.course.folder import open_course
    from autograder.course.forget import forget as remove

    opened = open_course(course)
    if not yes:
        typer.confirm(f"Remove everything of {printable(student)} for good?", abort=True)
    for line in remove(opened, student):
        print(printable(line))
