"""Who is in the class: `roster.csv`, made from what Canvas, Moodle or Gradescope export.

    id, name, email, section, canvas, sis, moodle, gradescope

`id` is the student's folder under submitted/; the last four are what the platforms call them.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Protocol

from autograder.course.errors import CourseError
from autograder.course.tables import Sheet, read_sheet, write_table

FILE = "roster.csv"


class Folder(Protocol):
    """What has a folder, as a course."""

    @property
    def root(self) -> Path:
        """The folder in which the roster lies."""


@dataclass(frozen=True)
class Person:
    """One student, under every name that a platform has for them."""

    id: str
    name: str = ""
    email: str = ""
    section: str = ""
    canvas: str = ""  # Canvas' number
    sis: str = ""  # the number of the university
    moodle: str = ""  # Moodle's number of a participant
    gradescope: str = ""  # Gradescope's SID
    github: str = ""  # the name at GitHub
    lti: str = ""  # the number at a platform that speaks LTI

    @property
    def family_name(self) -> str:
        """The last word of the name."""
        return self.name.rpartition(" ")[2]

    @property
    def given_name(self) -> str:
        """The name without its last word."""
        return self.name.rpartition(" ")[0]


COLUMNS = tuple(field.name for field in fields(Person))


class Roster:
    """A class, and finding a student in it."""

    def __init__(self, people: Iterable[Person] = ()):
        self.people = {person.id: person for person in sorted(people, key=lambda p: p.id)}
        self._by_value: dict[str, dict[str, list[Person]]] = {}  # of the keys that were asked for

    def __iter__(self) -> Iterator[Person]:
        return iter(self.people.values())

    def __len__(self) -> int:
        return len(self.people)

    def person(self, student: str) -> Person:
        """The student of a folder; one without a name when the roster does not have them."""
        return self.people.get(student, Person(student))

    def find(self, key: str, value: str) -> Person | None:
        """The only student whose `key` is `value`, as `all` finds them; None otherwise."""
        found = self.all(key, value)
        return found[0] if len(found) == 1 else None

    def all(self, key: str, value: str) -> list[Person]:
        """Every student whose `key` is `value`, without regard to case.

        `key` is a column; "name" is found in either order of its words.
        """
        wanted = _words(value) if key == "name" else value.strip().lower()
        if key not in self._by_value:
            self._by_value[key] = defaultdict(list)
            for person in self:
                self._by_value[key][_value(person, key)].append(person)
        return list(self._by_value[key].get(wanted, ())) if wanted else []


def _value(person: Person, key: str) -> str:
    return _words(person.name) if key == "name" else getattr(person, key).lower()


def _words(name: str) -> str:
    """A name whose words are in order of the alphabet: 'Lovelace, Ada' is 'Ada Lovelace'."""
    return " ".join(sorted(re.sub(r"[^\w\s'-]", " ", name.lower()).split()))


def read_roster(course: Folder) -> Roster:
    """Return the class; an empty one when there is no roster.

    Raises `CourseError` where two students have one id, or an id can be no folder's name.
    """
    path = course.root / FILE
    if not path.exists():
        return Roster()
    sheet = read_sheet(path)
    place = {name: sheet.column(name) for name in COLUMNS}
    if place["id"] is None:
        raise CourseError(f"{path} has no column id: make it with `autograder roster import`.")
    people = [
        Person(**{name: row[at].strip() for name, at in place.items() if at is not None})
        for row in sheet.rows
    ]
    for person in people:
        if person.id in ("", ".", "..") or "/" in person.id:
            called = person.name or person.email or "a student"
            raise CourseError(f"{path}: the id {person.id!r} of {called} can be no folder's name.")
    _once(path, people)
    return Roster(people)


def _once(path: Path, people: Iterable[Person]) -> None:
    """Raise `CourseError` where two students have one id."""
    twice = [name for name, count in Counter(p.id for p in people).items() if count > 1]
    if twice:
        raise CourseError(
            f"{path}: {len(twice)} ids occur more than once ({', '.join(twice[:3])}): "
            "nothing was done. Give each student one row."
        )


def write_roster(course: Folder, roster: Roster) -> Path:
    """Write `roster.csv` and return its path; columns that an instructor added are kept."""
    path = course.root / FILE
    headings, added = _added(path)
    nothing = [""] * len(headings)
    rows = [
        [*(getattr(person, name) for name in COLUMNS), *added.get(person.id, nothing)]
        for person in roster
    ]
    return write_table(path, [(*COLUMNS, *headings), *rows])


def _added(path: Path) -> tuple[list[str], dict[str, list[str]]]:
    """The headings of columns that are not ours, and each student's fields in them."""
    if not path.exists():
        return [], {}
    sheet = read_sheet(path)
    who, ours = sheet.column("id"), {sheet.column(name) for name in COLUMNS}
    places = [at for at in range(len(sheet.heading)) if at not in ours]
    if who is None or not places:
        return [], {}
    found = {row[who].strip(): [row[at] for at in places] for row in sheet.rows}
    return [sheet.heading[at] for at in places], found


# ------------------------------------------------------------------------------------- import


@dataclass(frozen=True)
class Imported:
    """What an import came to."""

    roster: Roster
    platform: str
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()  # in the roster, not in the file: kept
    problems: tuple[str, ...] = ()


def import_people(old: Roster, path: Path) -> Imported:
    """Add the students of a platform's CSV file to a roster; nobody is removed.

    Who is there already, by id, number or address, keeps the id, and so the folder.

    Raises `CourseError` when the file has the columns of no platform that is known, or two rows
    for one student.
    """
    sheet = read_sheet(path)
    platform, people, problems = _people(sheet)
    _once(path, people)
    known = dict(old.people)
    added, changed, seen = [], [], set()
    for person in people:
        before = _same(old, person)
        if before is None:
            known[person.id] = person
            added.append(person.id)
            seen.add(person.id)
            continue
        if before.id in seen:
            raise CourseError(f"{path}: two rows are of {before.id}: nothing was imported.")
        given = {name: value for name, value in asdict(person).items() if value}
        after = replace(before, **{**given, "id": before.id})
        seen.add(before.id)
        if after != before:
            known[before.id] = after
            changed.append(before.id)
    missing = tuple(student for student in old.people if student not in seen)
    return Imported(
        Roster(known.values()), platform, tuple(added), tuple(changed), missing, tuple(problems)
    )


def _same(roster: Roster, person: Person) -> Person | None:
    keys = ("id", "canvas", "sis", "gradescope", "email")
    found = (roster.find(key, getattr(person, key)) for key in keys if getattr(person, key))
    return next(filter(None, found), None)


def _people(sheet: Sheet) -> tuple[str, list[Person], list[str]]:
    for platform, (needed, read) in PLATFORMS.items():
        if all(sheet.column(*names) is not None for names in needed):
            people, problems = [], []
            for number, row in enumerate(sheet.rows, start=2):
                person = read(lambda *names, row=row: _field(sheet, row, *names))
                if person is None:
                    continue
                if not folder_name(person.id):
                    problems.append(f"line {number} has neither a login nor an address: left out")
                    continue
                people.append(person)
            return platform, _with_folders(people), problems
    raise CourseError(
        f"{sheet.path} has the columns {', '.join(sheet.heading[:8])}: that is no list of "
        "students as Canvas (gradebook export), Moodle (participants) or Gradescope (roster) "
        "write it, nor a table with the column id."
    )


def _field(sheet: Sheet, row: tuple[str, ...], *names: str) -> str:
    place = sheet.column(*names)
    return "" if place is None else " ".join(row[place].split())


def _with_folders(people: list[Person]) -> list[Person]:
    """The same with folders for ids: whole addresses where what stands before the @ is shared."""
    counts = Counter(folder_name(person.id) for person in people)
    return [
        replace(person, id=folder_name(person.id, whole=counts[folder_name(person.id)] > 1))
        for person in people
    ]


def folder_name(text: str, whole: bool = False) -> str:
    """Return a student's folder from a login or an address, or from the whole of an address.

    >>> folder_name("Ada.Lovelace@example.org"), folder_name("ada@example.org", whole=True)
    ('ada.lovelace', 'ada-example.org')
    """
    name = text.strip().lower()
    name = name if whole else name.partition("@")[0]
    return re.sub(r"[^\w.-]+", "-", name).strip(".-")[:200]


Row = Callable[..., str]


def _canvas(row: Row) -> Person | None:
    """Canvas' gradebook has a line of points, and a student who is a test."""
    name, number = row("Student"), row("ID")
    if not number.isdigit() or name in ("Student, Test", "Test Student"):
        return None
    last, comma, first = name.partition(",")
    return Person(
        id=row("SIS Login ID") or row("SIS User ID") or number,
        name=f"{first.strip()} {last.strip()}" if comma else name,
        email=row("SIS Login ID") if "@" in row("SIS Login ID") else "",
        section=row("Section"),
        canvas=number,
        sis=row("SIS User ID"),
    )


def _moodle(row: Row) -> Person:
    first, last = row("First name"), row("Last name", "Surname")
    address = row("Email address", "Email")
    number = re.sub(r"\D", "", row("Identifier"))
    return Person(
        id=row("Username") or address or row("ID number"),
        name=row("Full name") or f"{first} {last}".strip(),
        email=address,
        section=row("Groups", "Department"),
        sis=row("ID number"),
        moodle=number,
    )


def _gradescope(row: Row) -> Person | None:
    if row("Role") not in ("", "Student"):
        return None
    first, last = row("First Name"), row("Last Name")
    return Person(
        id=row("Email") or row("SID"),
        name=row("Name", "Full Name") or f"{first} {last}".strip(),
        email=row("Email"),
        section=row("Section", "Sections"),
        gradescope=row("SID"),
    )


def _own(row: Row) -> Person:
    return Person(**{name: row(name) for name in COLUMNS})


# What a platform's table must have: one of each group of headings.
PLATFORMS: dict[str, tuple[tuple[tuple[str, ...], ...], Callable[[Row], Person | None]]] = {
    "Canvas": ((("Student",), ("ID",), ("Section",)), _canvas),
    "Moodle": ((("Email address",), ("First name", "Full name")), _moodle),
    "Gradescope": ((("SID",), ("Email",)), _gradescope),
    "roster": ((("id",),), _own),
}
