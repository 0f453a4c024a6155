"""What students handed in elsewhere: the zips of Canvas, Moodle, Blackboard and Gradescope.

    Canvas      lovelaceada_LATE_104_9001_02_batch_normalization-1.ipynb
    Moodle      Ada Lovelace_4711_assignsubmission_file/02_batch_normalization.ipynb
    Blackboard  Lesson 2_ada_attempt_2026-10-01-23-30-00_02_batch_normalization.ipynb
    Gradescope  assignment_7_export/submission_31/02_batch_normalization.ipynb, and a metadata file

Each student's notebook goes to submitted/STUDENT/LESSON/, with what lies beside it and the time.
**Of several hand-ins the latest counts; without times, the one with the highest number.** What was
there before is kept under .autograder/earlier. No member of a zip is believed: names with .., links
and what is too large are left out and said.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import io
import json
import lzma
import os
import re
import shutil
import stat
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import yaml

from autograder.course.errors import CourseError
from autograder.course.folder import Course
from autograder.course.pack import PACK
from autograder.course.roster import Person, Roster
from autograder.course.settings import in_utc
from autograder.course.tables import read_sheet
from autograder.grading.results import write_atomically
from autograder.submissions.notebook import MAX_FILE, OutOfReach
from autograder.submissions.uploads import MAX_BYTES, MAX_FILES, TIMESTAMP, parse_time

MAX_MEMBERS = 200_000  # of one zip
MAX_NAME = 200  # bytes of a file's name
MAX_TOTAL = 20_000_000_000  # bytes of one zip when unpacked
# What reading a zip that is damaged, or made in a way that is not known here, may raise.
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)
GRADESCOPE = "submission_metadata.yml"
CANVAS_NAME = re.compile(r"(?P<name>[^_/]+)_(?P<late>LATE_)?(?P<user>\d+)_\d+_(?P<file>.+)")
# The folder ends in _ before Moodle 4.1; a text that was typed is a file too.
MOODLE_NAME = re.compile(
    r"(?:.*/)?(?P<name>[^_/]+)_(?P<user>\d+)_assignsubmission_[a-z]+(?:_?/+|_)(?P<file>.+)"
)
BLACKBOARD_NAME = re.compile(
    r"(?P<before>.+_.+)_attempt_(?P<when>\d{4}(?:-\d\d){5})(?:_(?P<file>.+))?\.?"
)
AGAIN = re.compile(r"-(\d+)(?=\.\w+$)")  # Canvas numbers what is uploaded again


@dataclass(frozen=True)
class HandIn:
    """One hand-in of one student: its files by name, and when it came, as far as is known."""

    who: str  # as the platform has it
    keys: tuple[tuple[str, str], ...]  # (column of the roster, value) by which to find the student
    files: Mapping[str, zipfile.ZipInfo]
    when: datetime.datetime | None = None
    late: bool = False  # the platform says so, without a time
    number: int = 0  # a later one is higher


@dataclass
class Collected:
    """What collecting came to; each problem is one sentence."""

    students: dict[str, str] = field(default_factory=dict)  # student: new, unchanged or replaced
    problems: list[str] = field(default_factory=list)
    late_unknown: list[str] = field(default_factory=list)

    def count(self, state: str) -> int:
        """How many students are in a state."""
        return sum(one == state for one in self.students.values())


def collect(
    course: Course,
    lesson: str,
    archives: Iterable[Path],
    roster: Roster,
    times: Path | None = None,
) -> Collected:
    """Put the notebooks of a platform's zips where they are graded.

    Args:
        lesson: full name of the assignment.
        times: a CSV with times of submission, by a column of the roster, or Moodle's worksheet.

    Raises `CourseError` when one of the files is no zip; nothing is collected then.
    """
    done = Collected()
    known = read_times(times, roster, done.problems) if times else {}
    with contextlib.ExitStack() as stack:
        opened = [(stack.enter_context(_opened(path)), path.name) for path in map(Path, archives)]
        read = [(one, *read_archive(one, name, done.problems)) for one, name in opened]
        for zipped, platform, found in read:
            by_student = _matched(found, roster, platform, done)
            for student, hand_ins in sorted(by_student.items()):
                timed = [replace(one, when=one.when or known.get(student)) for one in hand_ins]
                _take_latest(course, lesson, zipped, student, timed, done)
    _remember_late(course, lesson, done)
    return done


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        zipped = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise CourseError(f"There is no file {path}.") from None
    except (zipfile.BadZipFile, IsADirectoryError, EOFError, ValueError, RuntimeError):
        raise CourseError(
            f"{path} is no zip, or a damaged one: download it again. Nothing was collected."
        ) from None
    size = sum(info.file_size for info in zipped.infolist())
    if len(zipped.infolist()) > MAX_MEMBERS or size > MAX_TOTAL:
        zipped.close()
        raise CourseError(
            f"{path} holds {len(zipped.infolist())} files of {size} bytes, too much for a class: "
            "nothing was collected."
        )
    return zipped


# ------------------------------------------------------------------------------ four platforms


def read_archive(
    zipped: zipfile.ZipFile, name: str, problems: list[str]
) -> tuple[str, list[HandIn]]:
    """Return the platform that made a zip, and the hand-ins in it.

    Raises `CourseError` when it has the form of none.
    """
    members, known = {}, len(problems)
    for info in zipped.infolist():
        if info.is_dir() or "__MACOSX" in info.filename or info.filename.endswith(".DS_Store"):
            continue
        if why := _refused(info):
            problems.append(f"{info.filename} was left out: {why}")
        else:
            members[info.filename] = info
    metadata = [path for path in members if PurePosixPath(path).name == GRADESCOPE]
    if metadata:
        return "Gradescope", list(_gradescope(zipped, members, metadata[0], problems))
    forms = {"Moodle": _moodle, "Blackboard": _blackboard, "Canvas": _canvas}
    for platform, read in forms.items():
        found, strange = read(members)
        if found:
            problems += [f"{path} was not read: no hand-in of {platform}" for path in strange]
            return platform, found
    left_out = "; ".join(problems[known:][:3])
    shown = ", ".join(list(members)[:3]) or f"nothing to read ({left_out or 'it is empty'})"
    raise CourseError(
        f"{name} holds {shown}: that is no export of Canvas, Moodle, Blackboard or Gradescope. Put "
        "files at submitted/STUDENT/LESSON/LESSON.ipynb yourself."
    )


def _refused(info: zipfile.ZipInfo) -> str:
    path = PurePosixPath(info.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and ":" in path.parts[0][:2]):
        return "its path leads out of its folder"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "it is a symbolic link"
    if not 0 < len(path.name.encode("utf-8", "replace")) <= MAX_NAME:
        return f"its name is empty or has more than {MAX_NAME} bytes"
    if info.flag_bits & 1:
        return "it is encrypted"
    most = MAX_FILE if path.suffix == ".ipynb" else MAX_BYTES
    return f"it has more than {most} bytes" if info.file_size > most else ""


Members = Mapping[str, zipfile.ZipInfo]


def _canvas(members: Members) -> tuple[list[HandIn], list[str]]:
    grouped, strange = defaultdict(list), []
    for path, info in members.items():
        match = CANVAS_NAME.fullmatch(PurePosixPath(path).name)
        if match is None:
            strange.append(path)
            continue
        grouped[match["user"]].append((match, info))
    found = []
    for user, group in grouped.items():
        for match, info in group:
            again = AGAIN.search(match["file"])
            found.append(
                HandIn(
                    who=match["name"],
                    keys=(("canvas", user),),
                    files={AGAIN.sub("", match["file"]): info},
                    late=match["late"] is not None,
                    number=int(again[1]) if again else 0,
                )
            )
    return _together(found), strange


def _together(found: list[HandIn]) -> list[HandIn]:
    """Join the files that one student handed in: of one name the highest number, all others."""
    by_user: dict[tuple, list[HandIn]] = defaultdict(list)
    for one in found:
        by_user[one.keys].append(one)
    joined = []
    for ones in by_user.values():
        ones.sort(key=lambda one: one.number)
        files = {name: info for one in ones for name, info in one.files.items()}
        joined.append(replace(ones[-1], files=files, late=any(one.late for one in ones)))
    return joined


def _moodle(members: Members) -> tuple[list[HandIn], list[str]]:
    grouped: defaultdict[str, dict[str, zipfile.ZipInfo]] = defaultdict(dict)
    names, strange = {}, []
    for path, info in members.items():
        match = MOODLE_NAME.fullmatch(path)
        if match is None:
            strange.append(path)
            continue
        grouped[match["user"]][match["file"]] = info
        names[match["user"]] = match["name"]
    return [
        HandIn(names[user], (("moodle", user), ("name", names[user])), files)
        for user, files in grouped.items()
    ], strange


def _blackboard(members: Members) -> tuple[list[HandIn], list[str]]:
    grouped: defaultdict[tuple[str, str], dict[str, zipfile.ZipInfo]] = defaultdict(dict)
    strange = []
    for path, info in members.items():
        match = BLACKBOARD_NAME.fullmatch(PurePosixPath(path).name.removesuffix(".txt"))
        if match and not match["file"]:
            continue  # the receipt
        match = BLACKBOARD_NAME.fullmatch(PurePosixPath(path).name)
        if match is None:
            strange.append(path)
            continue
        grouped[match["before"], match["when"]][match["file"]] = info
    return [
        HandIn(before.rpartition("_")[2], _user_keys(before), files, _digits_time(when))
        for (before, when), files in grouped.items()
    ], strange


def _user_keys(before: str) -> tuple[tuple[str, str], ...]:
    """What may be the user name at the end of `Lesson 2_ada_l`, the longest first: `ada_l`, `l`."""
    words = before.split("_")
    users = ["_".join(words[at:]) for at in range(1, len(words))]
    return tuple((key, user) for user in users for key in ("id", "sis"))


def _digits_time(text: str) -> datetime.datetime:
    year, month, day, hour, minute, second = map(int, text.split("-"))
    return datetime.datetime(year, month, day, hour, minute, second)


def _gradescope(
    zipped: zipfile.ZipFile, members: Members, metadata: str, problems: list[str]
) -> Iterator[HandIn]:
    try:
        told = yaml.load(zipped.read(metadata), Loader=_SymbolLoader)
        entries = {str(name): entry for name, entry in told.items() if isinstance(entry, dict)}
    except (yaml.YAMLError, AttributeError, *DAMAGED):
        raise CourseError(f"{metadata} is damaged: export the submissions again.") from None
    root = str(PurePosixPath(metadata).parent)
    for name, entry in entries.items():
        folder = f"{name}/" if root == "." else f"{root}/{name}/"
        files = {
            path.removeprefix(folder): info
            for path, info in members.items()
            if path.startswith(folder)
        }
        listed = entry.get(":submitters")
        listed = listed if isinstance(listed, list) else []
        submitters = [person for person in listed if isinstance(person, dict)]
        if not files or not submitters:
            problems.append(f"{name} has {'no file' if submitters else 'nobody who submitted it'}")
        for person in submitters if files else ():
            sid, email, called = (
                str(person.get(f":{key}") or "") for key in ("sid", "email", "name")
            )
            keys = (("gradescope", sid), ("sis", sid), ("email", email), ("name", called))
            when = entry.get(":created_at")
            yield HandIn(
                called or email or sid,
                keys,
                files,
                in_utc(when) if isinstance(when, datetime.datetime) else None,
            )


class _SymbolLoader(yaml.SafeLoader):
    """Plain data only; a symbol of Ruby is a text that begins with a colon."""


# --------------------------------------------------------------------------------- whose it is


def _matched(
    found: list[HandIn], roster: Roster, platform: str, done: Collected
) -> dict[str, list[HandIn]]:
    by_student: dict[str, list[HandIn]] = defaultdict(list)
    for one in found:
        person = match(one, roster)
        if person is None:
            done.problems.append(f"{platform}: {one.who!r} {_unmatched(one, roster)}")
        else:
            by_student[person.id].append(one)
    return by_student


def _unmatched(one: HandIn, roster: Roster) -> str:
    """Why nobody is the student of a hand-in, as the end of a sentence."""
    tried = ", ".join(f"{key} {value!r}" for key, value in one.keys if value)
    several = next(
        (found for key, value in one.keys if len(found := roster.all(key, value)) > 1), []
    )
    if several:
        ids = ", ".join(person.id for person in several)
        return f"may be each of {ids} (looked for {tried}): not collected"
    return f"is not in the roster (looked for {tried}): not collected"


def match(one: HandIn, roster: Roster) -> Person | None:
    """The student of a hand-in, by the first key that one student alone has."""
    return next(filter(None, (roster.find(key, value) for key, value in one.keys if value)), None)


# ------------------------------------------------------------------------------- taking it over


def _take_latest(
    course: Course,
    lesson: str,
    zipped: zipfile.ZipFile,
    student: str,
    hand_ins: list[HandIn],
    done: Collected,
) -> None:
    earliest = datetime.datetime.min
    ordered = sorted(hand_ins, key=lambda one: (one.when or earliest, one.number))
    for one in reversed(ordered):
        try:
            content = _contents(zipped, one, lesson)
        except Unusable as error:
            done.problems.append(f"{student}: {error}")
            continue
        try:
            done.students[student] = _put(course, lesson, student, content, one.when)
        except Unusable as error:
            done.problems.append(f"{student}: {error}")
            return
        if len(ordered) > 1:
            done.problems.append(f"{student}: {len(ordered)} hand-ins, the latest was taken")
        if one.late and one.when is None:
            done.late_unknown.append(student)
        return


class Unusable(Exception):
    """A hand-in from which no notebook of the lesson can be taken; the text says why."""


def _contents(zipped: zipfile.ZipFile, one: HandIn, lesson: str) -> dict[str, bytes]:
    """The files of a hand-in, the lesson's notebook under its name; a zip in it is opened once."""
    try:
        files = {name: zipped.read(info) for name, info in [*one.files.items()][:MAX_FILES]}
    except DAMAGED as error:
        raise Unusable(f"the zip is damaged at this hand-in ({error}): not collected") from None
    for name in [name for name in files if name.lower().endswith(".zip")]:
        files |= _inner(files.pop(name), name)
    _compare_pack(files)
    notebooks = [name for name in files if name.endswith(".ipynb")]
    named = [name for name in notebooks if PurePosixPath(name).stem == lesson]
    chosen = named or notebooks
    if len(chosen) != 1:
        names = ", ".join(sorted(notebooks)[:4]) or "no notebook"
        raise Unusable(f"{names} instead of one {lesson}.ipynb: not collected")
    beside = {
        PurePosixPath(name).name: content
        for name, content in files.items()
        if name not in notebooks and PurePosixPath(name).name not in (TIMESTAMP, PACK)
    }
    return {**beside, f"{lesson}.ipynb": files[chosen[0]]}


def _inner(content: bytes, name: str) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as inner:
            infos = [info for info in inner.infolist() if not info.is_dir() and not _refused(info)]
            if sum(info.file_size for info in infos) > MAX_FILE + MAX_BYTES:
                raise Unusable(f"{name} unpacks to too much: not collected")
            return {info.filename: inner.read(info) for info in infos[:MAX_FILES]}
    except DAMAGED:
        raise Unusable(f"{name} is a damaged zip: not collected") from None


def _compare_pack(files: dict[str, bytes]) -> None:
    """Hold what was packed against what arrived.

    Raises `Unusable` when the digests differ.
    """
    packed = next((files[name] for name in files if PurePosixPath(name).name == PACK), None)
    if packed is None:
        return
    try:
        told = json.loads(packed)
        wanted, name = str(told["sha256"]), str(told["notebook"])
    except (ValueError, KeyError, TypeError):
        raise Unusable(f"{PACK} is damaged: ask for the file again") from None
    content = next((files[one] for one in files if PurePosixPath(one).name == name), b"")
    if hashlib.sha256(content).hexdigest() != wanted:
        raise Unusable(f"{name} is not what was packed (another digest): ask for the file again")


def _put(
    course: Course,
    lesson: str,
    student: str,
    content: dict[str, bytes],
    when: datetime.datetime | None,
) -> str:
    """Write a hand-in; what stood there is kept. Returns new, unchanged or replaced.

    Raises `Unusable` where the machine does not give what stood there.
    """
    folder = course.root / "submitted" / student / lesson
    if any(os.path.islink(path) for path in (folder, folder.parent)):
        raise CourseError(f"{folder} is a symbolic link, which is not followed: remove it.")
    stamp = {TIMESTAMP: f"{when:%Y-%m-%d %H:%M:%S} UTC\n".encode()} if when else {}
    content = {**content, **stamp}
    if os.path.lexists(folder):
        try:
            here = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
        except OSError as error:
            raise Unusable(f"{OutOfReach.of(folder, error)}: not collected") from None
        if here == content:
            return "unchanged"
        digest = hashlib.sha256(b"".join(here[name] for name in sorted(here))).hexdigest()[:12]
        kept = course.private / "earlier" / student / lesson / digest
        kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if kept.exists():
            shutil.rmtree(folder)
        else:
            shutil.move(folder, kept)
        state = "replaced"
    else:
        state = "new"
    for name, data in content.items():
        write_atomically(folder / name, data)
    return state


# --------------------------------------------------------------------------------------- times


def read_times(path: Path, roster: Roster, problems: list[str]) -> dict[str, datetime.datetime]:
    """Return times of submission (UTC) by student, from a CSV.

    It needs a column of the roster (id, email, canvas, ...) or Moodle's Identifier, and one of
    time, submitted at, or Moodle's Last modified (submission).
    """
    sheet = read_sheet(path)
    at = sheet.column("time", "submitted at", "submission time", "Last modified (submission)")
    keys = {
        "id": ("id",),
        "email": ("email", "email address"),
        "canvas": ("canvas", "canvas id"),
        "moodle": ("moodle", "identifier"),
        "gradescope": ("gradescope", "sid"),
        "name": ("name", "full name"),
    }
    columns = {
        key: place for key, names in keys.items() if (place := sheet.column(*names)) is not None
    }
    if at is None or not columns:
        raise CourseError(
            f"{path} needs a column time and one that says who: id, email, canvas, moodle, name."
        )
    found, strangers = {}, []
    for number, row in enumerate(sheet.rows, start=2):
        text = row[at].strip()
        if not text or text == "-":
            continue
        values = {key: row[place].strip() for key, place in columns.items()}
        if "moodle" in values:
            values["moodle"] = re.sub(r"\D", "", values["moodle"])
        person = next(filter(None, (roster.find(key, v) for key, v in values.items() if v)), None)
        try:
            when = parse_time(text)
        except (ValueError, OverflowError, TypeError):
            raise CourseError(f"{path}, line {number}: {text!r} is no time.") from None
        if person:
            found[person.id] = when
        else:
            strangers.append(" ".join(filter(None, values.values())) or f"line {number}")
    if strangers:
        shown = ", ".join(strangers[:3]) + ("…" if len(strangers) > 3 else "")
        problems.append(f"{path.name} has times of {len(strangers)} not in the roster: {shown}")
    return found


LATE = "late-unknown.json"


def _remember_late(course: Course, lesson: str, done: Collected) -> None:
    """Keep who was late without a time; who handed in again in the meantime no longer is."""
    path = course.private / "collected" / lesson / LATE
    kept = set(late_unknown(course, lesson)) - {
        student for student, state in done.students.items() if state != "unchanged"
    }
    write_atomically(path, json.dumps(sorted(kept | set(done.late_unknown))).encode())


def late_unknown(course: Course, lesson: str) -> list[str]:
    """Students whom a platform called late without saying by how much."""
    try:
        return json.loads((course.private / "collected" / lesson / LATE).read_text("utf-8"))
    except (OSError, ValueError):
        return []
