"""Spaced repetition over one's own mistakes: Leitner's boxes, five questions a day.

A right answer moves a mistake into the next box, where it waits twice as long; a wrong answer, or
the same mistake in a later check, moves it back into the first. Boxes and questions are one file,
`review.json`, read by the terminal, by a notebook and by the page alike.
"""

from __future__ import annotations

import base64
import datetime
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autograder.checking.browser import keep
from autograder.learning.errors import LearnerError
from autograder.learning.history import History
from autograder.learning.items import Item, items_for

FILE = "review.json"
FORMAT = 1
A_DAY = 5
DAYS = (1, 2, 4, 8, 16)  # until the next question, by box
BETWEEN = " | "  # of an exercise and the name of the mistake
PARTS = ("form", "title", "question", "code", "choices", "right", "why")  # of an item
DAY = r"\d{4}-\d\d-\d\d"


@dataclass
class Box:
    """Where a mistake lies: box 1 to 5, the day it is due, when it was last answered."""

    box: int = 1
    due: str = ""  # 2026-11-28
    answered: str = ""  # 2026-11-28T18:00:00, "" for never

    def after(self, is_right: bool, now: datetime.datetime) -> Box:
        """Return the box after an answer."""
        box = min(self.box + 1, len(DAYS)) if is_right else 1
        due = now.date() + datetime.timedelta(days=DAYS[box - 1])
        return Box(box, due.isoformat(), now.isoformat(timespec="seconds"))


@dataclass
class Review:
    """The boxes of one learner, the questions on each mistake, and what was odd about the file."""

    boxes: dict[str, Box] = field(default_factory=dict)
    items: dict[str, list[Item]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def add(self, history: History, provider, now: datetime.datetime) -> None:
        """Put mistakes that are new into the first box, and back those that came again."""
        today = now.date().isoformat()
        for exercise, name in history.mistakes():
            key = f"{exercise}{BETWEEN}{name}"
            try:
                self.items[key] = items_for(exercise, name, provider, exercise in history.passed())
            except KeyError:
                continue  # of a version that had another exercise
            except ModuleNotFoundError as error:
                self.remarks.append(f"{exercise} needs {error.name} and waits until it is there.")
                continue
            box = self.boxes.setdefault(key, Box(due=today))
            if box.answered and box.answered < _last(history, exercise, name):
                self.boxes[key] = Box(1, min(box.due, today), box.answered)

    def due(self, now: datetime.datetime) -> list[tuple[str, Item]]:
        """Return today's questions: five less those answered today, the longest due first."""
        today = now.date().isoformat()
        done = sum(box.answered.startswith(today) for box in self.boxes.values())
        keys = sorted(
            (box.due, key)
            for key, box in self.boxes.items()
            if box.due <= today and not box.answered.startswith(today) and self.items.get(key)
        )
        return [(key, self.question(key)) for _, key in keys[: max(0, A_DAY - done)]]

    def question(self, key: str) -> Item:
        """Return the form of question whose turn it is: another one in each box."""
        forms = self.items[key]
        return forms[(self.boxes[key].box - 1) % len(forms)]

    def answer(self, key: str, choice: int, now: datetime.datetime) -> bool:
        """Take an answer, by the number of the choice, and say whether it is right."""
        is_right = choice in self.question(key)["right"]
        self.boxes[key] = self.boxes[key].after(is_right, now)
        return is_right

    def merge(self, boxes: Mapping[str, Box]) -> None:
        """Take over another device's boxes: of each mistake, what was answered last."""
        for key, theirs in boxes.items():
            ours = self.boxes.get(key, theirs)
            self.boxes[key] = max(ours, theirs, key=lambda box: (box.answered, -box.box))

    def settle(self, now: datetime.datetime) -> None:
        """Undo what a clock has done that jumped: nothing was answered later than now."""
        latest, odd = now.isoformat(timespec="seconds"), 0
        for key, box in self.boxes.items():
            last = (now.date() + datetime.timedelta(days=DAYS[box.box - 1])).isoformat()
            if box.answered > latest or box.due > last:
                odd += 1
                yesterday = (now - datetime.timedelta(days=1)).isoformat(timespec="seconds")
                self.boxes[key] = Box(box.box, now.date().isoformat(), min(box.answered, yesterday))
        if odd:
            self.remarks.append(f"The clock jumped: {odd} of the mistakes are due today instead.")


def _last(history: History, exercise: str, name: str) -> str:
    times = (
        str(entry.get("time", ""))
        for entry in history.entries
        if entry["exercise"] == exercise and name in entry["names"]
    )
    return max(times, default="")


# ---------------------------------------------------------------------------------- the file


def read_review(path: Path) -> Review:
    """Read review.json; a damaged one is put aside, and one line says so.

    Raises LearnerError when a newer version wrote it: nothing of it is written over.
    """
    if not path.is_file():
        return Review()
    try:
        text = json.loads(path.read_text(encoding="utf-8"))
        version = text["format"]
        if version == FORMAT:
            boxes = {str(key): _box(value) for key, value in text["boxes"].items()}
            items = {key: list(map(_item, forms)) for key, forms in text["items"].items()}
            return Review(boxes, items)
    except (ValueError, KeyError, TypeError, AttributeError):
        aside = path.with_name(f"{path.stem}.damaged.json")
        os.replace(path, aside)
        line = f"{path.name} was damaged: it is {aside.name} now, and all boxes start anew."
        return Review(remarks=[line])
    raise LearnerError(f"{path} is of format {version!r}, and this version reads {FORMAT}: update.")


def _box(value) -> Box:
    box, due, answered = value
    if box not in range(1, len(DAYS) + 1) or not re.fullmatch(DAY, due):
        raise ValueError("no box")
    if answered and not re.match(DAY, answered):
        raise ValueError("no time")
    return Box(box, due, answered)


def _item(value) -> Item:
    item = {name: value[name] for name in PARTS}
    choices, right = item["choices"], item["right"]
    if not all(isinstance(choice, str) for choice in choices) or not right:
        raise ValueError("no choices")
    if not set(right) <= set(range(len(choices))):
        raise ValueError("no such choice")
    return item


def as_json(review: Review) -> str:
    """Return the text of review.json."""
    content = {"format": FORMAT, "boxes": _plain(review.boxes), "items": review.items}
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def write_review(path: Path, review: Review) -> None:
    """Write review.json, whole or not at all."""
    beside = path.with_name(path.name + ".new")
    beside.write_text(as_json(review), encoding="utf-8")
    os.replace(beside, path)
    keep(path)


def _plain(boxes: Mapping[str, Box]) -> dict[str, list]:
    return {key: [box.box, box.due, box.answered] for key, box in boxes.items()}


def link_of(boxes: Mapping[str, Box]) -> str:
    """Return what a link to the page carries after its #: the boxes alone.

    >>> boxes_in("https://example.org/review.html#" + link_of({"a | b": Box(2, "2026-11-28")}))
    {'a | b': Box(box=2, due='2026-11-28', answered='')}
    """
    text = json.dumps(_plain(boxes), separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def boxes_in(source: str) -> dict[str, Box]:
    """Return the boxes of a link, or of another device's review.json.

    Raises LearnerError when it is neither.
    """
    try:
        if "#" in source:
            code = source.partition("#")[2]
            values = json.loads(base64.urlsafe_b64decode(code + "=" * (-len(code) % 4)))
        else:
            values = json.loads(Path(source).read_text(encoding="utf-8"))["boxes"]
        return {str(key): _box(value) for key, value in values.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise LearnerError(f"{source[:60]} is neither a review.json nor a link of one.") from None


# ---------------------------------------------------------------------------------- the calendar


def days_ahead(review: Review, now: datetime.datetime, days: int = 7) -> dict[datetime.date, int]:
    """Return how many questions wait on each of the next days; what is too much waits a day."""
    first = now.date() + datetime.timedelta(days=1)
    left = sorted(box.due for key, box in review.boxes.items() if review.items.get(key))
    left = left[len(review.due(now)) :]  # today's
    found = {}
    for day in (first + datetime.timedelta(days=i) for i in range(days)):
        count = min(A_DAY, sum(due <= day.isoformat() for due in left))
        if count:
            found[day] = count
            left = left[count:]
    return found


def calendar_of(review: Review, now: datetime.datetime) -> str:
    """Return an .ics file with a whole-day entry for each of the next days on which some wait."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//cs231n-lecture7-course//review//EN"]
    stamp = now.astimezone(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    for day, count in days_ahead(review, now).items():
        lines += [
            "BEGIN:VEVENT",
            f"UID:review-{day:%Y%m%d}@cs231n-lecture7-course",
            f"DTSTAMP:{stamp}",
            f"DTSTART;VALUE=DATE:{day:%Y%m%d}",
            f"SUMMARY:Review {count} question{'' if count == 1 else 's'}",
            "DESCRIPTION:autograder review",
            "END:VEVENT",
        ]
    return "".join(f"{line}\r\n" for line in (*lines, "END:VCALENDAR"))


# ---------------------------------------------------------------------------------- asking


def ask_all(review: Review, now: datetime.datetime, ask, tell, keep) -> None:
    """Ask today's questions: `ask(prompt)` returns what is typed, `tell(line)` shows a line.

    An empty answer skips a question, which then stays due; `keep()` is called after the others.
    """
    for key, item in review.due(now):
        choices = item["choices"]
        tell("\n".join(filter(None, [f"{item['title']}: {item['question']}", item["code"]])))
        for number, choice in enumerate(choices, start=1):
            tell(f"{number:>3}  {choice}".replace("\n", "\n     "))
        typed = ask(f"1 to {len(choices)}, or Enter to skip: ").strip()
        if not typed.isdigit() or not 1 <= int(typed) <= len(choices):
            tell("Skipped.")
            continue
        if review.answer(key, int(typed) - 1, now):
            tell("Right.")
        else:
            right = " or ".join(choices[i].strip() for i in item["right"])
            tell(f"Not so. Right is: {right}\n{item['why']}")
        keep()


def review_beside(log: Path | None, history: History, provider, ask, tell) -> Review:
    """Ask what is due beside a log, and keep the answers there; without a log they are not kept.

    Each answer is written at once, so that to stop loses nothing.
    """
    now = datetime.datetime.now()
    path = log and log.with_name(FILE)
    review = opened(path, history, provider, now)
    for line in (*history.remarks, *review.remarks):
        tell(line)
    if not review.due(now):
        tell("Nothing is due today: mistakes that checks have named come here.")

    def keep():
        if path is not None:
            write_review(path, review)

    ask_all(review, now, ask, tell, keep)
    return review


def opened(
    path: Path | None, history: History, provider, now: datetime.datetime, links: Iterable[str] = ()
) -> Review:
    """Return the review at a path with the mistakes of a history and other devices' boxes."""
    review = read_review(path) if path else Review()
    for link in links:
        review.merge(boxes_in(link))
    review.settle(now)
    review.add(history, provider, now)
    if path:
        write_review(path, review)
    return review
