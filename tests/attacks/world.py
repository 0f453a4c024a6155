"""What an attack could reach: a course folder, a neighbour, a listening port, this process."""

import hashlib
import json
import os
import re
import socket
import sqlite3
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from corpus import LESSON, NOTHING, ROOT, Attack, hand_in, honest_notebook
from harming import MARK
from rich.console import Console

from autograder.course.class_page import summary_html
from autograder.course.folder import init
from autograder.course.grade_class import grade_class
from autograder.course.marks import comment_text
from autograder.course.nbgrader_api import NbgraderCourse
from autograder.course.summary import line, table
from autograder.grading.grader import Grader
from autograder.grading.results import Store, SubmissionResult
from autograder.sandbox.inside.isolation import Layers
from autograder.sandbox.process import Limits
from autograder.sandbox.zygote import Ahead, _number_here
from autograder.submissions.rebuild import read_template

SECRET = b"planted: the secret of this course, which nobody may read"
# The whole time is so long that a busy machine ends no attack before the engine does.
LIMITS = Limits(cell_seconds=6, total_seconds=300, memory=2**30, file=2**26)
COMMON = ("/tmp", "/var/tmp", "/dev/shm", "/root", str(ROOT))
ACTIVE = re.compile(  # in a browser
    r"<(script|style)[^>]*>[^<]*ALARM|<(img|iframe|svg|form|base|meta|details|x)\b[^>&]*ALARM|"
    r"href=.javascript:"
)
MOVING = re.compile(r"[\x1b\x07\u202e]")  # in a terminal


class World:
    """A course with a neighbour's submission, and one grader for all attacks."""

    def __init__(self, folder: Path, layers: Layers, stack: ExitStack):
        self.folder = folder
        self.course = folder / "course"
        self.boxes = folder / "boxes"  # where the sandboxes are
        self.port, self.heard = _listen(stack)
        self._make_course()
        template = read_template(ROOT / "notebooks" / "student" / f"{LESSON}.ipynb")
        grader = Grader(
            template, LESSON, SECRET, LIMITS, layers=layers, hidden=[self.course / ".autograder"]
        )
        self.grader = stack.enter_context(grader)
        self.store = Store(folder / "results")
        self.base = self.grader.grade(self.neighbour, "neighbour", self.store)
        # The warm ones, which outlive a submission.
        self.lasting = set(_processes(self.boxes)) - self._waiting()

    def _make_course(self) -> None:
        self.boxes.mkdir(mode=0o711)
        self.neighbour = self.submission("neighbour")
        hand_in(Attack("honest", "own"), self.neighbour, {})
        solution = self.course / "source" / LESSON / f"{LESSON}.ipynb"
        solution.parent.mkdir(parents=True)
        solution.write_bytes((ROOT / "notebooks" / "solution" / solution.name).read_bytes())
        private = self.course / ".autograder"
        (private / "results").mkdir(parents=True)
        (private / "secret").write_bytes(SECRET)
        (private / "results" / "neighbour.json").write_text(json.dumps(honest_notebook()))
        with sqlite3.connect(self.course / "gradebook.db") as book:
            book.execute("create table grade (student text, manual_score real)")
            book.execute("insert into grade values ('neighbour', 3)")
        book.close()

    def submission(self, student: str) -> Path:
        """Where a student's notebook is."""
        return self.course / "submitted" / student / LESSON / f"{LESSON}.ipynb"

    def grade(self, attack: Attack, number: int) -> dict[str, SubmissionResult]:
        """Grade an attack beside its neighbour, whom the attack before may have harmed too."""
        path = self.submission(f"attacker-{number}")
        places = {"<course>": self.course, "<port>": self.port, "<grader>": os.getpid()}
        hand_in(attack, path, places)
        self.before = self.digests()
        runs = attack.honest is not NOTHING
        store = Store(self.folder / "results" / str(number)) if runs else self.store
        both = {"attacker": path, "neighbour": self.neighbour}
        with ThreadPoolExecutor(max_workers=2) as pool:
            tasks = {
                who: pool.submit(self.grader.grade, what, who, store) for who, what in both.items()
            }
            return {who: task.result() for who, task in tasks.items()}

    def digests(self) -> dict[str, str]:
        """The files that are not the attacker's."""
        files = [path for path in self.course.rglob("*") if path.is_file()]
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
            if path.stat().st_size < 10**7
        }

    def left_behind(self) -> list[str]:
        """Files and processes that a submission left somewhere; they are removed."""
        found = []
        places = [*map(Path, COMMON), self.course, *_packages()]
        for path in (place / MARK for place in places):
            if path.exists():
                found.append(str(path))
                path.unlink()
        waiting = self._waiting()  # after which those that served a submission are gone
        return found + sorted(set(_processes(self.boxes)) - self.lasting - waiting)

    def _waiting(self) -> set[str]:
        """The number of the child that waits for its submission, if any."""
        settle(self.grader.sandboxes)
        begun = getattr(self.grader.sandboxes, "_next", None)
        return {str(_number_here(begun.result()._handle))} if begun else set()


def settle(sandboxes) -> None:
    """Wait until who served a submission is gone, and the next child waits for its own."""
    if isinstance(sandboxes, Ahead) and sandboxes._helper:
        sandboxes._helper.submit(int).result()


def _packages() -> list[Path]:
    import numpy

    import autograder

    return [Path(module.__file__).parent for module in (numpy, autograder)]


def _processes(boxes: Path) -> list[str]:
    """Processes that live in a sandbox's folder, without the warm process itself."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            texts = [Path(f"/proc/{name}/{part}").read_bytes() for part in ("environ", "cmdline")]
            texts.append(os.fsencode(os.readlink(f"/proc/{name}/cwd")))
        except OSError:
            continue
        if any(os.fsencode(boxes) in text for text in texts):
            found.append(name)
    return found


def _listen(stack: ExitStack) -> tuple[int, list[bytes]]:
    """Listen on a port and on an abstract name; return the port and what is heard."""
    heard: list[bytes] = []
    stream = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    port = stream.getsockname()[1]
    datagrams = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    datagrams.bind(("127.0.0.1", port))
    local = stack.enter_context(socket.socket(socket.AF_UNIX))
    local.bind(f"\0course-attack-{port}")
    local.listen()
    for one in (stream, local):
        threading.Thread(target=_accept, args=(one, heard), daemon=True).start()
    threading.Thread(target=_receive, args=(datagrams, heard), daemon=True).start()
    return port, heard


def _accept(server: socket.socket, heard: list[bytes]) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            heard.append(b"a connection")


def _receive(datagrams: socket.socket, heard: list[bytes]) -> None:
    while True:
        try:
            heard.append(datagrams.recv(1000))
        except OSError:
            return


# ------------------------------------------------------------------------- what people read


def feedback_pages(folder: Path, attacks: Iterable[Attack]) -> dict[str, str]:
    """Grade attacks in a course of nbgrader's and return the pages that students get, by attack."""
    course, _ = init(folder / "course", ["02"], exchange=folder / "exchange")
    NbgraderCourse(course.root).generate_assignment(LESSON)
    names = {f"student-{number}": attack.name for number, attack in enumerate(attacks)}
    for student, attack in zip(names, attacks, strict=True):
        hand_in(attack, course.root / "submitted" / student / LESSON / f"{LESSON}.ipynb", {})
    grade_class(course, LESSON, feedback=True)
    pages = course.root / "feedback"
    return {
        name: (pages / student / LESSON / f"{LESSON}.html").read_text("utf-8")
        for student, name in names.items()
    }


def marks(result: SubmissionResult) -> dict[str, float]:
    """Points by exercise, named as attacks name them."""
    return {r.exercise_id.removeprefix("normalization."): r.score for r in result.reports}


def student_reads(result: SubmissionResult) -> str:
    """Whatever of a result reaches the student: outputs, reports, comments, notes."""
    texts = [json.dumps(result.outputs, ensure_ascii=False), *result.problems]
    for report in result.reports:
        public = report.public()
        texts += [str(public), public._repr_html_(), comment_text(public)]
    return "\n".join(texts)


def in_the_terminal(result: SubmissionResult) -> str:
    """The report about a class as a terminal gets it."""
    with open(os.devnull, "w") as nowhere:
        console = Console(file=nowhere, record=True, width=200, color_system=None)
        console.print(table([line(result)]))
        return console.export_text()


def in_the_browser(result: SubmissionResult) -> str:
    """The page about a class, and the parts of feedback that are put into a page as they are."""
    reports = (report.public()._repr_html_() for report in result.reports)
    return "\n".join([summary_html("02", [result]), *reports])
