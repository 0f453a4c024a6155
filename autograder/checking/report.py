"""What a check answers: its rows as data, as text and as HTML."""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property


@dataclass(frozen=True)
class Row:
    """One check in a report."""

    check: str
    points: float
    earned: float
    message: str = ""
    detail: str = ""
    hint: str = ""
    remark: str = ""
    misconception: str = ""

    @property
    def status(self) -> str:
        """One word: passed, partly or failed."""
        if self.earned == self.points:
            return "passed"
        return "partly" if self.earned else "failed"


_NEEDED = {"check", "points", "earned"}


def _row(values: Mapping) -> Row:
    """Return Row(**values), in a tenth of its time; what is left out is empty."""
    if not _NEEDED <= values.keys() <= Row.__dataclass_fields__.keys():
        return Row(**values)
    row = object.__new__(Row)
    vars(row).update(values)
    return row


_RAISED = re.compile(r"raised \w+|(expected \w+), got \w+")


def _in_one_word(found: re.Match) -> str:
    """Leave out the name of an error.

    >>> [_RAISED.sub(_in_one_word, text) for text in ("raised KeyError", "expected A, got B")]
    ['raised an error', 'expected A, got another error']
    """
    return f"{found[1]}, got another error" if found[1] else "raised an error"


@dataclass(frozen=True)
class Report:
    """The outcome of an exercise, one row a check; shows itself as text and as HTML."""

    exercise_id: str
    title: str
    rows: tuple[Row, ...]
    bonus: bool = False
    reading: str = ""  # where to read once more; graded feedback says it, a notebook on request

    @cached_property
    def score(self) -> float:
        """Points earned, never more than `points`."""
        return float(min(round(sum(row.earned for row in self.rows), 6), self.points))

    @cached_property
    def points(self) -> float:
        """Points to be had."""
        return float(round(sum(row.points for row in self.rows), 6))

    @property
    def misconceptions(self) -> tuple[str, ...]:
        """Names of what was recognised, in the order of the rows."""
        return tuple(dict.fromkeys(row.misconception for row in self.rows if row.misconception))

    @property
    def kind_of_points(self) -> str:
        """What its points are called: bonus is outside of every maximum."""
        return "bonus points" if self.bonus else "points"

    def public(self) -> "Report":
        """Return the report without what shows secret inputs: details, and names of errors.

        Code that has met private inputs chooses what it raises; so all errors are one word.
        """
        return self._public

    @cached_property
    def _public(self) -> "Report":
        rows = (
            replace(r, detail="", message=_RAISED.sub(_in_one_word, r.message)) for r in self.rows
        )
        return replace(self, rows=tuple(rows))

    def to_dict(self) -> dict:
        """Return plain data for JSON."""
        data = {name: getattr(self, name) for name in self.__dataclass_fields__}
        rows = [
            {name: getattr(row, name) for name in row.__dataclass_fields__} for row in self.rows
        ]
        return data | {"rows": rows, "score": self.score, "points": self.points}

    @classmethod
    def from_dict(cls, data: Mapping) -> "Report":
        """Rebuild a report from `to_dict`."""
        rows = tuple(map(_row, data["rows"]))
        more = {key: data[key] for key in ("bonus", "reading") if key in data}
        return cls(data["exercise_id"], data["title"], rows, **more)

    @property
    def shown(self) -> tuple[Row, ...]:
        """The rows; one for all where every check was stopped by the same thing."""
        first, same = self.rows[0], {(row.message, row.detail, row.earned) for row in self.rows}
        if len(self.rows) > 1 and len(same) == 1 and first.earned < first.points:
            check = f"all {len(self.rows)} checks"
            return (replace(first, check=check, points=self.points, earned=self.score),)
        return self.rows

    def __str__(self) -> str:
        rows = self.shown
        earned = [f"{_number(row.earned)}/{_number(row.points)}" for row in rows]
        width = max((len(row.check) for row in rows), default=0)
        room = max(map(len, earned), default=0)
        score = f"{_number(self.score)} of {_number(self.points)} {self.kind_of_points}"
        lines = [f"{self.exercise_id}: {score}"]
        for row, points in zip(rows, earned, strict=True):
            lines.append(
                f"  {MARK[row.status]} {row.check:<{width}}  {points:>{room}}  {row.message}"
            )
            notes = {"": row.detail, "hint: ": row.hint, "remark: ": row.remark}
            lines += [f"      {label}{note}" for label, note in notes.items() if note]
        lines += [f"  {self.reading}"] if self.reading else []
        return "\n".join(line.rstrip() for line in lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        body = "".join(_html_row(row) for row in self.shown)
        head = (
            f"<b>{html.escape(self.title)}</b> "
            f"<code>{html.escape(self.exercise_id)}</code>: "
            f"<b>{_number(self.score)}</b> of {_number(self.points)} {self.kind_of_points}"
        )
        table = f'<div>{head}</div><table cellpadding="4">{HEADER}{body}</table>'
        more = f"<div>{html.escape(self.reading)}</div>" if self.reading else ""
        return f'<div style="{STYLE["box"]}">{table}{more}</div>'


@dataclass(frozen=True)
class Total:
    """What several exercises come to; the maximum does not include bonus."""

    score: float
    points: float
    bonus: float

    def __str__(self) -> str:
        """As a line ends: '71.5 of 80 points, and 2 bonus points'."""
        said = f", and {self.bonus:g} bonus points" if self.bonus else ""
        return f"{self.score:g} of {self.points:g} points{said}"


def total(reports: Sequence[Report]) -> Total:
    """Add up the points of several exercises."""
    counted = [report for report in reports if not report.bonus]
    score, points = (sum(getattr(r, part) for r in counted) for part in ("score", "points"))
    return Total(score, points, sum(report.score for report in reports if report.bonus))


MARK = {"passed": "✓", "partly": "◐", "failed": "✗"}
# White on these is readable whatever the theme of the notebook.
COLOUR = {"passed": "#1a7f37", "partly": "#9a6700", "failed": "#cf222e"}
STYLE = {
    "box": "max-width:60em;border-left:4px solid #8886;padding-left:.8em;line-height:1.4",
    "cell": "text-align:left;vertical-align:top",
    "mark": "padding:.1em .4em;border-radius:.3em;color:#fff;background-color:",
    "note": "margin-top:.3em",
}
HEADER = "<tr>" + "".join(
    f'<th scope="col" style="{STYLE["cell"]}">{title}</th>'
    for title in ("", "check", "points", "what came")
)
HEADER += "</tr>"


def _html_row(row):
    mark = (
        f'<b style="{STYLE["mark"]}{COLOUR[row.status]}">{MARK[row.status]}&nbsp;{row.status}</b>'
    )
    notes = [html.escape(row.message)]
    if row.detail:
        notes.append(f"<code>{html.escape(row.detail)}</code>")
    notes += [
        f'<div style="{STYLE["note"]}"><b>{label}</b> {html.escape(note)}</div>'
        for label, note in (("Hint:", row.hint), ("Remark:", row.remark))
        if note
    ]
    points = f"{_number(row.earned)}&nbsp;/&nbsp;{_number(row.points)}"
    cells = mark, html.escape(row.check), points, "<br>".join(filter(None, notes))
    shown = (f'<td style="{STYLE["cell"]}">{cell}</td>' if cell else "<td></td>" for cell in cells)
    return f"<tr>{''.join(shown)}</tr>"


def _number(value):
    return f"{value:.3f}".rstrip("0").rstrip(".")
