"""Put what a student handed in into a fresh copy of the released notebook.

    released template ──┐
                        ├─ rebuild ─▶ notebook (what feedback shows) + steps (what is executed)
    submitted cells ────┘

Given and check cells come from the template. What the student wrote is found by what it says and
where it stands; labels and ids, which other tools lose, only help. Of a function the last
definition counts that is more than a stub. A text that may be an answer is never passed over: it
is put where a person marks it.
"""

from __future__ import annotations

import builtins
import copy
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder.submissions.code import (
    IN_NOTEBOOKS,
    TooDeep,
    bindings,
    definitions,
    definitions_of,
    is_words,
    listed,
    module_name,
    names_of,
    only_definitions,
    parts_that_define_once,
    shown_text,
    unbound,
)
from autograder.submissions.notebook import Step, Submission, SubmittedCell

MAX_ADDED = 300  # code cells of the student's own that are executed
SHORT_ANSWER = 20  # letters of a text that may stand in the course's as well: "zero", "gamma"
ASK = "*This answer cell is as it was released, or was not found: {where} may hold the answer.*"
MENTIONS = r"\banswers\b"  # of all questions
NUMBERED = (  # of one; in any language, with or without a word, a number begins a line
    r"|\b(?:question|answer|q)\W{{0,3}}{number}\b"
    r"|^\W*(?:[^\W\d]+\W{{0,3}})?{number}[ \t]*(?:[.):\uff1a\]*]+(?!\d)|$)"
)
PRACTICE = "practice"  # the role of a check that counts in no maximum
_QUESTION = re.compile(r"\W*question\W+(\d+)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Rebuilt:
    """What feedback shows (`notebook`), what is executed (`steps`), what was odd (`problems`)."""

    notebook: NotebookNode
    steps: tuple[Step, ...]
    problems: tuple[str, ...] = ()


# --------------------------------------------------------------------------------- template


def read_template(path: Path) -> NotebookNode:
    """Read a released notebook, which the course made itself and so may be trusted."""
    return nbformat.read(path, as_version=4)


def role(cell: NotebookNode) -> str:
    """What a cell of the template is.

    given (locked code), check (graded code), solution (the student's code), answer (marked by
    hand) or shown (prose, experiments and practice, which are not executed for marks).
    """
    marks = cell.metadata.get("nbgrader", {})
    if is_practice(cell):
        return "shown"
    if marks.get("solution"):
        return "answer" if marks.get("grade") or cell.cell_type != "code" else "solution"
    if cell.cell_type == "code" and marks.get("grade"):
        return "check"
    if cell.cell_type == "code" and marks.get("locked"):
        return "given"
    return "shown"


def is_practice(cell: NotebookNode) -> bool:
    """Whether a cell of the template is a check that counts in no maximum."""
    return cell.metadata.get("course", {}).get("role") == PRACTICE


# ---------------------------------------------------------------------------------- rebuild


def rebuild(template: NotebookNode, submission: Submission) -> Rebuilt:
    """Put the student's work into a fresh copy of the released template.

    Cells that the student added stay after the cell that they followed, and code in them is
    executed. Of a changed experiment only what it defines is.
    """
    return _Rebuild(template, submission).result()


class _Rebuild:
    def __init__(self, template: NotebookNode, submission: Submission):
        self.template = template
        self.modules = submission.modules
        self.problems = list(submission.problems)
        self.roles = [role(cell) for cell in template.cells]
        self.functions = [self._last_definition(position) for position in range(len(self.roles))]
        asked = Counter(filter(None, self.functions))
        self.twins = {name for name, count in asked.items() if count > 1}
        parts = [(n, part) for n, cell in enumerate(submission.cells) for part in self._parts(cell)]
        self.submitted = tuple(part for _, part in parts)
        self.cut_from = [number for number, _ in parts]  # which cell it is, or is a part of
        self.match: dict[int, int] = {}  # template index -> index of the submitted cell
        self.answers: dict[int, set[int]] = {}  # submitted cell -> positions it has functions for
        self.elsewhere: dict[int, int] = {}  # solution position -> the cell that stands in for it
        self.near: dict[int, list[int]] = {}  # answer position -> texts next to it
        self.ask: dict[int, str] = {}  # answer position -> where a person has to look
        self.several: dict[int, list[str]] = {}  # functions, by how many cells define them
        self.changes: dict[int, str] = {}  # position of a changed cell -> what it defines
        self.idle: set[int] = set()  # submitted cells that are shown, but not executed
        self.dropped: set[int] = set()  # submitted cells that appear elsewhere in the notebook

    def result(self) -> Rebuilt:
        if self.submitted and self._is_of_another_lesson():
            self.problems.append(
                "This is the notebook of another lesson or course: none of its labels is one of "
                f"this lesson (it has {listed(self._labels(), 2)})."
            )
            self.submitted = ()
        if self.submitted:
            self._match_labels()
            self._match_sources()
            self._match_solutions()
            self._match_answers()
            self._report()
        cells, steps = [], [Step(name, "module", text) for name, text in self.modules]
        for cell, step in self._placed():
            cells.append(cell)
            if step is not None and step.source.strip():
                steps.append(step)
        metadata = copy.deepcopy(self.template.metadata)
        notebook = NotebookNode(cells=cells, metadata=metadata, nbformat=4, nbformat_minor=5)
        return Rebuilt(notebook, tuple(_brought_forward(steps)), tuple(self.problems))

    def _parts(self, cell: SubmittedCell) -> Iterator[SubmittedCell]:
        """A cell; cut in two where it has a function for NumPy and then one for PyTorch."""
        if not self.twins or cell.kind == "markdown":
            yield _as_text(cell)
            return
        first, *others = parts_that_define_once(cell.source, self.twins)
        yield _as_text(replace(cell, source=first))
        yield from (SubmittedCell("code", other) for other in others)

    # ------------------------------------------------------- what the template's cells are called

    def _grade_id(self, position: int) -> str:
        return self.template.cells[position].metadata.get("nbgrader", {}).get("grade_id", "")

    def _released(self, position: int) -> str:
        return self.template.cells[position].source.strip()

    def _source(self, index: int) -> str:
        return self.submitted[index].source

    def _positions(self, *kinds: str) -> list[int]:
        return [position for position, kind in enumerate(self.roles) if kind in kinds]

    def _last_definition(self, position: int) -> str:
        """The function that a solution cell asks for."""
        is_solution = self.roles[position] == "solution"
        return (definitions(self._released(position)) or ("",))[-1] if is_solution else ""

    def _labels(self) -> list[str]:
        return [cell.grade_id for cell in self.submitted if cell.grade_id]

    def _is_of_another_lesson(self) -> bool:
        ours = set(map(self._grade_id, self._positions("solution", "check", "answer")))
        theirs = set(self._labels()) - set(map(self._grade_id, self._positions("given")))
        names = set(filter(None, self.functions))
        own = (c.source for c in self.submitted if c.kind == "code" and not (c.grade_id or c.shown))
        return bool(theirs) and not theirs & ours and not any(names & set(bindings(s)) for s in own)

    # ------------------------------------------------------------- by label, by id, by the source

    def _match_labels(self) -> None:
        """Match what has a label; which cell answers an exercise is seen later, by what it says."""
        by_label: dict[str, list[int]] = {}
        for index, cell in enumerate(self.submitted):
            by_label.setdefault(cell.grade_id, []).append(index)
        for position in self._positions("given", "check", "answer"):
            found = by_label.get(self._grade_id(position))
            if found:
                self.match[position] = self._best(position, found)
                if len(found) > 1:
                    self._duplicates(position, found)
        changes: dict[str, list[str]] = {}
        for position in self._positions("given", "check", "answer", "solution"):
            for index in by_label.get(self._grade_id(position), ())[:1]:
                if changed := self._relabelled(position, self.match.get(position, index)):
                    changes.setdefault(", ".join(changed), []).append(self._grade_id(position))
        for flags, names in changes.items():
            which = f"cell {names[0]}" if len(names) == 1 else f"cells {listed(names, 3)}"
            self.problems.append(
                f"The labels of the {which} were changed ({flags}); those of the released "
                "notebook were used."
            )
        self._match_cell_ids("given", "check", "answer", "shown")

    def _best(self, position: int, found: list[int]) -> int:
        """Of copies, the locked cell that is as it was released, or the answer that is not."""
        is_answer = self.roles[position] == "answer"
        released = self._released(position)
        right = (i for i in found if (self._source(i).strip() != released) == is_answer)
        return next(right, found[0])

    def _duplicates(self, position: int, found: list[int]) -> None:
        others = [index for index in found if index != self.match[position]]
        for index in others:
            if self.roles[position] == "answer":
                self.idle.add(index)
            elif self._source(index).strip() == self._released(position):
                self.dropped.add(index)
        which = "first one that was written" if self.roles[position] == "answer" else "released one"
        self.problems.append(
            f"The cell {self._grade_id(position)} is there {len(found)} times; the {which} counts."
        )

    def _relabelled(self, position: int, index: int) -> list[str]:
        """What of a cell's labels is not as it was released."""
        cell, submitted = self.template.cells[position], self.submitted[index]
        marks = cell.metadata.nbgrader
        changed = [
            key
            for key, value in submitted.flags.items()
            if value != marks.get(key, 0 if key == "points" else False)
        ]
        if submitted.kind != cell.cell_type:
            changed.append("cell type")
        return changed

    def _match_cell_ids(self, *kinds: str) -> None:
        free = {self.template.cells[p].get("id"): p for p in self._unmatched(*kinds)}
        for index, cell in self._unclaimed():
            position = free.get(cell.cell_id) if cell.cell_id else None
            if position is not None and position not in self.match:
                self.match[position] = index

    def _match_sources(self) -> None:
        """Match what is as it was released; of a text that is there several times, all or none."""
        released: dict[tuple[str, str], list[int]] = {}
        for position in self._unmatched("given", "check", "answer", "shown"):
            key = self.template.cells[position].cell_type, self._released(position)
            released.setdefault(key, []).append(position)
        found: dict[tuple[str, str], list[int]] = {}
        for index, cell in self._unclaimed():
            found.setdefault((cell.kind, cell.source.strip()), []).append(index)
        for key, positions in released.items():
            indices = found.get(key, [])
            if len(positions) == 1 or len(positions) == len(indices):
                self.match.update(zip(positions, indices, strict=False))

    def _unmatched(self, *kinds: str) -> list[int]:
        return [position for position in self._positions(*kinds) if position not in self.match]

    def _unclaimed(self) -> list[tuple[int, SubmittedCell]]:
        claimed = set(self.match.values()) | self.idle | self.dropped
        return [pair for pair in enumerate(self.submitted) if pair[0] not in claimed]

    # ------------------------------------------------------------------ solutions, by what they say

    def _match_solutions(self) -> None:
        """Find the cell that counts for each exercise.

        It is the last one that defines its function, and not as a stub, among the cells between
        the check before and the exercise's own; if there is none, the last one anywhere that no
        other exercise needs.
        """
        self.changes = dict(self._changed())
        self.bound = self._what_is_bound()
        self.claims: dict[tuple[str, int], int] = {}  # function, cell -> position
        for position in self._positions("solution"):
            self._claim(position, self._in_region(position))
        for position in reversed(self._positions("solution")):
            if position not in self.match and position not in self.elsewhere:
                self._claim(position, self._anywhere(position))
        for count, names in self.several.items():
            verb = "is" if len(names) == 1 else "are each"
            self.problems.append(
                f"{listed(names)} {verb} defined in {count} cells; the last definition counts."
            )
        self._show_stubs()
        self._leave_out_stubs()

    def _changed(self) -> Iterator[tuple[int, str]]:
        """The course's experiments and locked cells that were changed, each with what it defines.

        Of a locked cell that is what the released one does not define.
        """
        for position in self._positions("shown", "given"):
            index = self.match.get(position)
            if self.template.cells[position].cell_type != "code" or index is None:
                continue
            if self._source(index).strip() != self._released(position):
                is_locked = self.roles[position] == "given"
                known = bindings(self._released(position)) if is_locked else ()
                yield position, only_definitions(self._source(index), known)

    def _what_is_bound(self) -> dict[int, Mapping[str, bool]]:
        """What the student's own code cells define, and what changed cells of the course do."""
        labels = set(map(self._grade_id, self._positions("solution")))
        own = [(i, c) for i, c in self._unclaimed() if c.kind == "code" or c.grade_id in labels]
        bound = {index: bindings(_executed_part(cell)) for index, cell in own}
        for position, text in self.changes.items():
            bound[self.match[position]] = bindings(text)
        written = {name for names in bound.values() for name in names if names[name]}
        missing = set(self.functions) - written
        for index, cell in self._unclaimed():  # what an editor made of code
            if cell.kind == "raw" and missing & bindings(cell.source).keys():
                bound[index] = bindings(cell.source)
        files = {module_name(path): text for path, text in self.modules}
        for index, names in bound.items():
            if files and "*" in names:  # all that files beside the notebook define
                imported = names_of(self._source(index)).imported
                texts = [files[meant] for name, meant in imported if name == "*" and meant in files]
                for text in texts:
                    bound[index] = {**bound[index], **bindings(text)}
        return bound

    def _writes(self, index: int, position: int) -> bool:
        """Whether a cell of the student's defines the function of an exercise."""
        name = self.functions[position]
        is_released = self._source(index).strip() == self._released(position)
        return self.bound.get(index, {}).get(name, False) and not is_released

    def _region(self, position: int) -> range:
        """The cells between the check before an exercise and its own check, as they were handed in.

        Where one of the two is missing, its neighbour in the submission is the border.
        """
        checks = self._positions("check")
        borders = sorted(self.match[check] for check in checks if check in self.match)
        own = next((self.match.get(check) for check in checks if check > position), None)
        before = [self.match.get(check) for check in checks if check < position]
        if own is None and before and before[-1] is not None:
            own = next((i for i in borders if i > before[-1]), len(self.submitted))
        if own is None:
            label = self._grade_id(position)
            found = [i for i, cell in enumerate(self.submitted) if cell.grade_id == label]
            own = next((i for i in borders if found and i > found[-1]), len(self.submitted))
            own = own if found else 0
        return range(max((i for i in borders if i < own), default=-1) + 1, own)

    def _in_region(self, position: int) -> list[int]:
        """The cells there that define the function.

        A cell with the label of the same function in the other framework is passed over where the
        exercise has an answer with its own label; else it is a copy that was worked on.
        """
        label, others = self._grade_id(position), self._twins(position)
        writing = [i for i in self.bound if self._writes(i, position)]
        found = [i for i in self._region(position) if i in writing]
        right = [i for i in writing if not self._is_foreign(i, position)]
        if label in {self.submitted[i].grade_id for i in writing}:
            found = [i for i in found if self.submitted[i].grade_id not in others]
        elif right:
            return [i for i in found if i in right]
        return [i for i in found if i in right] or found

    def _twins(self, position: int) -> set[str]:
        """The labels of other exercises that ask for a function of the same name."""
        name = self.functions[position]
        return {
            self._grade_id(p) for p, f in enumerate(self.functions) if f == name and p != position
        }

    def _is_foreign(self, index: int, position: int) -> bool:
        """Whether a cell speaks only the framework that an exercise with a twin is not about."""
        if self.functions[position] not in self.twins:
            return False
        other = "np" if "-torch-" in self._grade_id(position) else "torch"
        return _frameworks(self._source(index)) == {other}

    def _anywhere(self, position: int) -> list[int]:
        """Cells that define the function and serve no other exercise; a labelled one comes last."""
        name, label = self.functions[position], self._grade_id(position)
        others = self._twins(position)
        found = [
            index
            for index in sorted(self.bound)
            if self._writes(index, position)
            and (name, index) not in self.claims
            and self.submitted[index].grade_id not in others
            and not self._is_foreign(index, position)
        ]
        return sorted(found, key=lambda index: self.submitted[index].grade_id == label)

    def _claim(self, position: int, candidates: list[int]) -> None:
        """Let the last of the candidates count for an exercise; cells may serve several."""
        if not candidates:
            return
        index, name = candidates[-1], self.functions[position]
        self.claims[name, index] = position
        for used in (index, *self._made_of(index, name, candidates)):
            self.answers.setdefault(used, set()).add(position)
        holder = next((p for p, i in self.match.items() if i == index), None)
        if holder is None:
            self.match[position] = index
        elif self.roles[holder] == "solution" and holder > position:
            self.elsewhere[holder] = self.match.pop(holder)
            self.match[position] = index
        else:
            self.elsewhere[position] = index
        cells = {self.cut_from[candidate] for candidate in candidates}
        if len(cells) > 1:
            self.several.setdefault(len(cells), []).append(name)

    def _made_of(self, index: int, name: str, candidates: list[int]) -> Iterator[int]:
        """The cells that an answer such as `name = other` takes its function from."""
        try:
            if name in definitions(self._source(index)):
                return
            used = {use.partition(".")[0] for use in names_of(self._source(index)).used}
        except TooDeep:
            return
        for other in self.bound:
            if other != index and used & self.bound[other].keys():
                yield other

    def _show_stubs(self) -> None:
        """Match what is left by its label, its id or its source."""
        labels = {cell.grade_id: index for index, cell in reversed(self._unclaimed())}
        for position in self._unmatched("solution"):
            index = labels.get(self._grade_id(position))
            if index is not None:
                self.match[position] = index
        self._match_cell_ids("solution")
        sources = {cell.source.strip(): index for index, cell in self._unclaimed()}
        for position in self._unmatched("solution"):
            index = sources.pop(self._released(position), None)
            if index is not None:
                self.match[position] = index

    def _leave_out_stubs(self) -> None:
        """A copy of a stub, kept above or below an answer, defines nothing."""
        names = set(filter(None, self.functions))
        for index, _ in self._unclaimed():
            bound = self.bound.get(index, {})
            if bound and not any(bound.values()) and bound.keys() <= names:
                self.idle.add(index)

    # ------------------------------------------------------- answers in words, by their place

    def _match_answers(self) -> None:
        self.course_cells = {_letters(cell.source) for cell in self.template.cells}
        self.course_text = _letters(" ".join(cell.source for cell in self.template.cells))
        for position in self._positions("answer"):
            if not self._is_written(position):
                self._find_prompt(position)
        unanswered = [p for p in self._positions("answer") if not self._is_written(p)]
        for position in unanswered:
            if near := self._near(position):
                self.dropped.update(i for i in near if not self.bound.get(i))
                self.near[position] = near
        if self.near:
            names = listed(map(self._grade_id, sorted(self.near)))
            self.problems.append(
                f"The text beside each of these was taken for the answer: {names}."
            )
        asked: dict[str, list[str]] = {}
        for position in unanswered:
            where = "" if position in self.near else self._where_else(position)
            if where:
                self.ask[position] = where
                asked.setdefault(where, []).append(self._grade_id(position))
        for where, labels in asked.items():
            each = f"cell {labels[0]}" if len(labels) == 1 else f"cell of each of {listed(labels)}"
            self.problems.append(
                f"The answer {each} is as it was released or was not found: {where} may hold the "
                "answer."
            )

    def _is_written(self, position: int) -> bool:
        index = self.match.get(position)
        return index is not None and self._source(index).strip() != self._released(position)

    def _find_prompt(self, position: int) -> None:
        """Find a question whose text was changed by its number."""
        number = _QUESTION.match(self._released(position - 1)) if position else None
        if number is None or position - 1 in self.match:
            return
        for index, cell in self._unclaimed():
            other = _QUESTION.match(cell.source)
            if cell.kind == "markdown" and other and other[1] == number[1]:
                self.match[position - 1] = index
                return

    def _near(self, position: int) -> list[int]:
        """The student's own texts around an answer cell, or where it should be."""
        claimed = set(self.match.values()) | self.idle | self.dropped
        here = self.match.get(position)
        start = self.match.get(position - 1) if here is None else here
        end = self.match.get(position + 1) if start is None else here
        found = []
        for first, step in ((start, 1), (end, -1)):
            index = first + step if first is not None else len(self.submitted)
            while 0 <= index < len(self.submitted) and index not in claimed:
                if _QUESTION.match(self._source(index)):
                    break
                if here is None and self._source(index).strip() == self._released(position):
                    self.match[position] = here = index
                found += [index] if self._is_own_text(index) else []
                index += step
        return sorted(found)

    def _is_own_text(self, index: int) -> bool:
        """Whether a cell holds words of the student's, perhaps in a code cell by mistake."""
        cell = self.submitted[index]
        if cell.kind == "code" and not is_words(cell.source):
            return False
        words = _letters(cell.source)
        is_short = len(words) <= SHORT_ANSWER and words not in self.course_cells
        return bool(cell.attachments or (words and (is_short or words not in self.course_text)))

    def _where_else(self, position: int) -> str:
        """Say where the answer may be, when it is neither in its cell nor next to it."""
        for neighbour in self._matched_beside(position):
            index = self.match[neighbour]
            if self.submitted[index].kind == "markdown":
                released = _letters(self._released(neighbour))
                added = _letters(self._source(index)).replace(released, "")
                if added and added not in self.course_text:
                    return "the text of the course beside it, which was changed,"
        moved = [index for near in self.near.values() for index in near]
        own = [*moved, *(i for i, _ in self._unclaimed() if self._is_own_text(i))]
        if position in self.match:  # it may be empty on purpose, unless a text says otherwise
            own = [index for index in own if self._mentions(index, position)]
        return "a text elsewhere in the notebook" if own else ""

    def _matched_beside(self, position: int) -> Iterator[int]:
        """The next cell before an answer that was found, and the next one after it."""
        before = [other for other in self.match if other < position]
        after = [other for other in self.match if other > position]
        yield from (*sorted(before)[-1:], *sorted(after)[:1])

    def _mentions(self, index: int, position: int) -> bool:
        """Whether a text names the number of the question before an answer cell, or all answers."""
        number = _QUESTION.match(self._released(position - 1)) if position else None
        named = MENTIONS + (NUMBERED.format(number=number[1]) if number else "")
        return re.search(named, self._source(index), re.IGNORECASE | re.MULTILINE) is not None

    # -------------------------------------------------------------------------- what was odd

    def _report(self) -> None:
        self._report_copies()
        missing, unlabelled, locked = [], [], []
        for position, kind in enumerate(self.roles):
            name, index = self._grade_id(position), self.match.get(position)
            if index is None:
                if kind != "shown" and position not in (*self.elsewhere, *self.near):
                    missing.append(name)
            elif kind in ("given", "check"):
                if self._source(index).strip() != self._released(position):
                    locked.append(name)
            elif kind == "solution" and self._lost_label(position, index):
                unlabelled.append(name)
        self._tell(
            locked,
            "The locked cell {names} was changed; the released one was used.",
            "{count} locked cells were changed; the released ones were used: {names}.",
        )
        self._tell(
            missing,
            "The cell {names} is missing; the released one was put back.",
            "{count} cells are missing; the released ones were put back: {names}.",
        )
        if unlabelled:
            self.problems.append(
                f"Found by what is defined, because the label was lost: {listed(unlabelled)}."
            )

    def _tell(self, cells: list[str], one: str, several: str) -> None:
        """Say one sentence of some cells, however many they are."""
        if cells:
            sentence = one if len(cells) == 1 else several
            self.problems.append(sentence.format(count=len(cells), names=listed(cells, 3)))

    def _report_copies(self) -> None:
        """Say that a copy of an answer is where it does not count, such as after its check."""
        for position in self._positions("solution"):
            label = self._grade_id(position)
            copies = [i for i, c in enumerate(self.submitted) if c.grade_id == label]
            written = [i for i in copies if i in self.bound and self._writes(i, position)]
            if len(written) > 1 and set(written) - set(self._region(position)):
                self.problems.append(
                    f"The cell {label} is there {len(copies)} times; the last one before its "
                    "check counts."
                )

    def _lost_label(self, position: int, index: int) -> bool:
        cell = self.submitted[index]
        known = (self._grade_id(position), self.template.cells[position].get("id"))
        labels = {label for c in self.submitted for label in (c.grade_id, c.cell_id) if label}
        return cell.grade_id not in known and not labels.intersection(known)

    # ------------------------------------ the cells in their order, each with the step that runs it

    def _placed(self) -> Iterator[tuple[NotebookNode, Step | None]]:
        before, after = self._extras()
        executed = self._executed()
        yield from self._added(after.get(-1, ()), executed)
        for position, cell in enumerate(self.template.cells):
            yield from self._added(before.get(position, ()), executed)
            if self.roles[position] != "shown" or position in self.match or not self.submitted:
                yield self._from_template(position, cell)
            if self.roles[position] == "given" and self.changes.get(position):
                yield self._beside_locked(position)
            yield from self._added(after.get(position, ()), executed)

    def _extras(self) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
        """The student's own cells, by the position of the template's cell that they are next to.

        They follow the cell that they followed; what stands before an answer that is put back
        where it belongs goes there with it.
        """
        position_of = {index: position for position, index in self.match.items()}
        before: dict[int, list[int]] = {}
        after: dict[int, list[int]] = {}
        anchor, waiting = -1, []
        for index in range(len(self.submitted)):
            position = position_of.get(index)
            if position is None:
                waiting += [index] if index not in self.dropped else []
                continue
            is_moved = position < anchor and self.roles[position] == "solution"
            side = before.setdefault(position, []) if is_moved else after.setdefault(anchor, [])
            side += waiting
            anchor, waiting = anchor if is_moved else position, []
        after.setdefault(anchor, []).extend(waiting)
        return before, after

    def _executed(self) -> set[int]:
        """The own cells that are executed: of too many, those that others need, and the last."""
        own = [i for i, c in self._unclaimed() if c.kind == "code" and _executed_part(c).strip()]
        if len(own) <= MAX_ADDED:
            return set(own)
        self.problems.append(
            f"{len(own)} code cells were added; {MAX_ADDED} of them were executed: those that "
            "define what is used in other cells, and the last ones."
        )
        answers = " ".join(map(self._source, self.answers))
        used = set(re.findall(r"\w+", answers))
        needed = [index for index in own if used & self.bound.get(index, {}).keys()]
        return set([*(i for i in own if i not in needed), *needed][-MAX_ADDED:])

    def _from_template(
        self, position: int, original: NotebookNode
    ) -> tuple[NotebookNode, Step | None]:
        cell, kind = nbformat.from_dict(original), self.roles[position]
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if position in self.match and kind in ("solution", "answer", "shown"):
            self._fill(cell, self.submitted[self.match[position]], kind)
        if position in self.ask:
            cell.source = ASK.format(where=self.ask[position])
        elif position in self.near:
            texts = [self.submitted[index] for index in self.near[position]]
            cell.source = "\n\n".join(text.source for text in texts)
            pictures = {name: data for text in texts for name, data in text.attachments.items()}
            cell.update({"attachments": nbformat.from_dict(pictures)} if pictures else {})
        if cell.cell_type != "code":
            return cell, None
        return cell, self._step(position, cell, kind)

    def _beside_locked(self, position: int) -> tuple[NotebookNode, Step]:
        """What a changed locked cell defines besides, as a cell of the student's own."""
        index, text = self.match[position], self.changes[position]
        cell = _new_cell("code", text, f"student-{index}")
        return cell, Step(cell.id, "added", text, "", self._answers(index))

    def _fill(self, cell: NotebookNode, submitted: SubmittedCell, kind: str) -> None:
        cell.source = submitted.source
        if kind == "shown" and cell.cell_type == "code" and submitted.kind == "code":
            cell.outputs = [nbformat.from_dict(output) for output in submitted.outputs]
        if cell.cell_type == "markdown" and submitted.attachments:
            cell.attachments = nbformat.from_dict(submitted.attachments)

    def _step(self, position: int, cell: NotebookNode, kind: str) -> Step | None:
        """What is executed of a cell of the template: of a changed experiment, what it defines."""
        grade_id, index = self._grade_id(position), self.match.get(position)
        if kind == "shown":
            changed = self.changes.get(position)
            return Step(cell.id, "added", changed, "", self._answers(index)) if changed else None
        if kind == "solution" and position in self.elsewhere:
            return self._from_elsewhere(position, cell)
        role = "solution" if kind == "answer" else kind
        return Step(cell.id, role, cell.source, grade_id, self._answers(index))

    def _from_elsewhere(self, position: int, cell: NotebookNode) -> Step | None:
        """A stub must not undo an answer that stands in a cell before; a later one is brought."""
        index = self.elsewhere[position]
        holder = next(p for p, i in self.match.items() if i == index)
        if holder < position:
            return None
        text = only_definitions(self._source(index))
        return Step(cell.id, "solution", text, self._grade_id(position), self._answers(index))

    def _answers(self, index: int | None) -> tuple[str, ...]:
        held = () if index is None else self.answers.get(index, ())
        return tuple(map(self._grade_id, sorted(held)))

    def _added(
        self, indices: Iterable[int], executed: set[int]
    ) -> Iterator[tuple[NotebookNode, Step | None]]:
        for index in indices:
            submitted = self.submitted[index]
            cell_id = f"student-{index}"
            if submitted.kind != "code":
                cell = _new_cell(submitted.kind, submitted.source, cell_id)
                if submitted.attachments and submitted.kind == "markdown":
                    cell.attachments = nbformat.from_dict(submitted.attachments)
                yield cell, None
                continue
            cell = _new_cell("code", submitted.source, cell_id)
            if index in executed:
                answers = self._answers(index)
                yield cell, Step(cell_id, "added", _executed_part(submitted), "", answers)
            else:
                cell.outputs = [nbformat.from_dict(output) for output in submitted.outputs]
                yield cell, None


def _new_cell(kind: str, source: str, cell_id: str) -> NotebookNode:
    """A cell as nbformat makes it, which would also look it through: milliseconds for each."""
    outputs: dict = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return NotebookNode(
        id=cell_id, cell_type=kind, metadata=NotebookNode(), source=source, **outputs
    )


def _executed_part(cell: SubmittedCell) -> str:
    """What is executed of a student's own cell: of a copied experiment, what it defines."""
    return only_definitions(cell.source) if cell.shown else cell.source


def _brought_forward(steps: list[Step]) -> Iterator[Step]:
    """The steps, with helpers that stand below what uses them also above it.

    Jupyter executes cells in any order: a helper may be the last cell of a notebook that works.
    """
    own = {step.cell_id: bindings(step.source) for step in steps if step.role == "added"}
    known = set(dir(builtins)).union(IN_NOTEBOOKS)
    for number, step in enumerate(steps):
        missing = _free(step.source) - known if step.answers and own else frozenset()
        later = {s.cell_id: s.source for s in steps[number + 1 :] if s.cell_id in own}
        while found := [name for name in later if missing.intersection(own[name])]:
            source = later.pop(found[-1])
            text = definitions_of(source, missing.intersection(bindings(source)), known)
            missing |= _free(text) - known
            yield Step(f"{found[-1]}-for-{step.cell_id}", "added", text)
        known.update(bindings(step.source))
        yield step


def _free(source: str) -> frozenset[str]:
    """The names that the functions of a cell take from other cells."""
    try:
        return unbound(source)
    except TooDeep:
        return frozenset()


def _as_text(cell: SubmittedCell) -> SubmittedCell:
    """A cell; as text where it is code that only shows one."""
    text = shown_text(cell.source) if cell.kind == "code" else ""
    return replace(cell, kind="markdown", source=text) if text else cell


def _frameworks(source: str) -> set[str]:
    """The names of frameworks that some code uses."""
    try:
        used = names_of(source).used
    except TooDeep:
        return set()
    return {"np", "torch"}.intersection(use.partition(".")[0] for use in used)


@lru_cache(maxsize=256)  # the course's own text is asked for with every submission
def _letters(text: str) -> str:
    """Text without what editors change: spaces, marks, the case of letters."""
    return re.sub(r"\W+|_", "", text).lower()
