"""The commands of an instructor's day, from roster to export; `autograder.cli` adds them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from autograder.bars import printable
from autograder.course.answering import AsJson, answering

app = typer.Typer()
roster_app = typer.Typer(help="Who is in the class.", no_args_is_help=True)
app.add_typer(roster_app, name="roster")
cluster_app = typer.Typer(help="Grade on many machines (docs/scale.md).", no_args_is_help=True)
app.add_typer(cluster_app, name="cluster")
gradebook_app = typer.Typer(help="Where the marks are kept.", no_args_is_help=True)
app.add_typer(gradebook_app, name="gradebook")

CourseFolder = Annotated[Path, typer.Argument(metavar="COURSE", help="The folder of the course.")]
LessonName = Annotated[str, typer.Argument(metavar="LESSON", help="As 2, 02 or the full name.")]
FAILED = 1  # exit status when the work was done and something in it is not right


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
def late(course: CourseFolder, as_json: AsJson = False) -> None:
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

    opened = open_course(course)
    settings = opened.settings()
    lines = [line for line in marks(opened, settings) if line.lateness.words]
    decided = {(line.student, line.lesson): line.lateness for line in lines}
    table, told = Table("student", "lesson", "what it costs", "late days left"), []
    for line in lines:
        left = days_left(decided, settings, line.student) if settings.late else None
        cells = (line.student, line.lesson, line.lateness.words, "–" if left is None else f"{left}")
        table.add_row(*(Text(printable(cell)) for cell in cells))
        names = ("student", "lesson", "words", "penalty", "days_left")
        values = (line.student, line.lesson, line.lateness.words, line.penalty, left)
        told.append(dict(zip(names, values, strict=True)))
    with answering(as_json) as answer:
        changed = settle(opened, settings) if settings.late else 0
        answer({"late": told, "changed": changed})
        if lines:
            Console().print(table)
        else:
            print("nobody is late")
        if settings.late:
            print(f"{changed} penalties changed in the gradebook")
        else:
            print("course.toml has no [late]: penalties are those of the gradebook")


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
    classroom: Annotated[
        bool, typer.Option("--classroom", help="Classroom 50's result.json, GitHub's summary.")
    ] = False,
    lti: Annotated[bool, typer.Option("--lti", help="Post scores to a platform by LTI.")] = False,
    template: Annotated[
        Path | None,
        typer.Option(help="What the platform exported: one column is filled, the rest kept."),
    ] = None,
    column: Annotated[str, typer.Option(help="Its heading, where LESSON does not find it.")] = "",
    output: Annotated[Path | None, typer.Option(help="The folder to write into.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write over what is there.")] = False,
    as_json: AsJson = False,
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
        "classroom": classroom,
        "lti": lti,
    }
    names = [name for name, is_chosen in chosen.items() if is_chosen]
    if len(names) != 1:
        listed = ", ".join(f"--{name}" for name in chosen)
        raise CourseError(f"Choose one form of export: {listed}.")
    opened = open_course(course)
    name = find_name(lesson, opened.lessons()) if lesson else ""
    folder = output or opened.root / "exports" / names[0]
    done = write(opened, names[0], folder, name, template, column, replace)
    with answering(as_json) as answer:
        answer({"files": [str(path) for path in done.files], "notes": done.notes})
        for path in done.files[:3]:
            print(f"wrote {path}")
        if len(done.files) > 3:
            print(f"and {len(done.files) - 3} more in {folder}")
    for note in done.notes:
        print(printable(note), file=sys.stderr)
    if done.problems:
        raise typer.Exit(FAILED)


@app.command()
def feedback(
    course: CourseFolder,
    lesson: LessonName,
    student: Annotated[list[str] | None, typer.Option(help="Only this one; repeatable.")] = None,
) -> None:
    """Write feedback pages: what each student wrote, what came of it, and comments by hand.

    `nbgrader release_feedback` hands them out, or your platform does. Who hands in again afterwards
    meets other private inputs.

    **Example**

        autograder feedback my-course 2
    """
    from autograder.course.errors import CourseError
    from autograder.course.feedback import NoPage, write_feedback
    from autograder.course.folder import find_name, open_course

    opened = open_course(course)
    name = find_name(lesson, opened.lessons())
    pages = write_feedback(opened, name, student or ())
    if not pages:
        raise CourseError(f"Nobody has marks for {name} yet: run `autograder grade` first.")
    missing = [f"{who}: {page}" for who, page in pages.items() if isinstance(page, NoPage)]
    print(f"{name}: {len(pages) - len(missing)} pages in {opened.root / 'feedback'}")
    _complain(missing)


@app.command()
def mark(
    course: CourseFolder,
    lesson: LessonName,
    grader: Annotated[str, typer.Option("--as", help="Who marks; your user name by default.")] = "",
    graders: Annotated[
        str, typer.Option(help="All who mark, with commas: questions are dealt among them.")
    ] = "",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of the page; any that is free by default.")
    ] = 0,
    browser: Annotated[bool, typer.Option("--browser", help="Open the browser too.")] = False,
) -> None:
    """Mark the answers that need a person, on a page that this machine serves to itself.

    Rubric items have keys, equal answers are marked once, names are hidden, one answer in twenty is
    marked twice. Marks and comments go to nbgrader's gradebook at once. Ctrl-C ends it.

    **Examples**

        autograder mark my-course 2

        autograder mark my-course 2 --graders ada,carl --as carl
    """
    from autograder.course.errors import CourseError
    from autograder.course.folder import find_name, open_course
    from autograder.course.mark_page import MarkServer
    from autograder.course.marking import Marking

    opened = open_course(course)
    everyone = [*dict.fromkeys(filter(None, map(str.strip, graders.split(","))))]
    marking = Marking(opened, find_name(lesson, opened.lessons()), grader or _user(), everyone)
    dealt = marking.file.read().graders
    if dealt and marking.grader not in dealt:
        raise CourseError(
            f"Answers are dealt among {', '.join(dealt)}: name yourself with --as, or all who mark "
            "with --graders."
        )
    with MarkServer(marking, port) as server:
        print(f"Open {server.address}\nCtrl-C ends it.", flush=True)
        if browser:
            import webbrowser

            webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("Everything is saved.")


def _user() -> str:
    import getpass

    from autograder.course.errors import CourseError

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise CourseError("This machine has no name for you: give one with --as.") from None


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
    from autograder.checking.report import total
    from autograder.course.pack import pack as make
    from autograder.grading.own_file import check_files

    packed = make(notebook, output, modules or ())
    reports, _ = check_files([notebook])
    print(f"{total(reports)} by the instant checks (your instructor's inputs differ)")
    print(f"wrote {packed.path}, sha256 {packed.digest}")
    if packed.missing:
        print("not written yet:", *packed.missing, sep="\n  ", file=sys.stderr)
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


@app.command()
def mine(
    course: CourseFolder,
    lesson: LessonName,
    least: Annotated[int, typer.Option(min=1, help="Students who give the same answer.")] = 2,
    most: Annotated[int, typer.Option(min=1, help="Kinds that are shown.")] = 10,
    accept: Annotated[
        int | None, typer.Option(metavar="N", help="Write this one into its family's file.")
    ] = None,
    name: Annotated[str, typer.Option(help="What the accepted one is called.")] = "",
    hint: Annotated[str, typer.Option(help="What leads to it, and does not give it away.")] = "",
    export: Annotated[
        Path | None, typer.Option(help="Write the records, without names of people, here.")
    ] = None,
) -> None:
    """Find wrong answers that nobody has named, by what they return, and draft their records.

    What was observed in grading is compared; only the drafts are run, in the sandbox. A draft is
    ready when it shows what the class showed, loses points, and no known name fits it.

    **Examples**

        autograder mine my-course 2

        autograder mine my-course 2 --accept 1 --name "eps forgotten at test time" --hint "Which …?"

        autograder mine my-course 2 --export unknown.py
    """
    from dataclasses import replace

    from autograder.course.errors import CourseError
    from autograder.course.folder import find_name, open_course
    from autograder.course.mine import described, mine
    from autograder.course.stubs import accept as write
    from autograder.course.stubs import exported
    from autograder.grading.results import write_atomically

    opened = open_course(course)
    findings, notes = mine(opened, find_name(lesson, opened.lessons()), least, most)
    for number, finding in enumerate(findings, start=1):
        for line in described(number, finding).splitlines():
            print(printable(line))
    if not findings:
        print(f"no {least} students share a wrong answer without a name")
    for note in notes:
        print(printable(note), file=sys.stderr)
    ready = [finding.stub for finding in findings if finding.stub and finding.is_ready]
    if export is not None:
        write_atomically(export, exported(ready).encode())
        print(f"wrote {len(ready)} records to {export}")
    if accept is not None:
        chosen = findings[accept - 1] if 1 <= accept <= len(findings) else None
        if chosen is None or chosen.stub is None or not chosen.is_ready:
            raise CourseError(f"There is no ready record number {accept}.")
        stub = replace(chosen.stub, name=name or chosen.stub.name, hint=hint or chosen.stub.hint)
        try:
            print(f"wrote {stub.name!r} into {write(stub)}")
        except ValueError as error:
            raise CourseError(f"{error}: give it a --name.") from None


@app.command()
def similarity(
    course: CourseFolder,
    lesson: LessonName,
    output: Annotated[Path | None, typer.Option(help="The page to write.")] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Least score; measured on made-up classes by default.")
    ] = None,
) -> None:
    """Write a page with pairs of submissions that are more similar than independent work.

    It says "similar", and a person decides what that means. What a score is worth stands in the
    page: how many honest pairs and how many copies of made-up classes have it.

    **Example**

        autograder similarity my-course 2
    """
    from autograder.course.folder import find_name, open_course
    from autograder.course.similar_page import write_similarity

    opened = open_course(course)
    name = find_name(lesson, opened.lessons())
    page, said = write_similarity(opened, name, output, threshold)
    print(said)
    print(f"wrote {page}")
