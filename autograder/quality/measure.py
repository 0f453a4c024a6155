"""Measure the checks themselves: do they catch what is wrong, name it, and let what is right pass?

Run it with `make grader-quality`. Five numbers for each exercise, and a target for each:
misconceptions that lose points, misconceptions that are named, right answers that lose points over
many seeds, machine-made mutants of the reference that are caught, and hints on right answers.
"""

import hashlib
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from autograder import exercises, expectations, misconceptions
from autograder.checking.diagnose import judge_exercise
from autograder.checking.observe import observe
from autograder.checking.spec import Exercise
from autograder.quality.mutation import mutants

SEEDS = 200  # that a right answer has to pass
NAMED_SEEDS = 3  # in each of which a misconception has to lose points and be named
LEAST_NAMED, LEAST_KILLED = 0.97, 0.98


@dataclass
class Quality:
    """What was measured of one exercise, or of several together; counts and the exceptions."""

    misconceptions: int = 0
    losing: int = 0
    named: int = 0
    variants: int = 0
    variants_losing: int = 0
    mutants: int = 0
    equivalent: int = 0
    killed: int = 0
    diagnosed: int = 0
    exceptions: list[str] = field(default_factory=list)

    def __add__(self, other: "Quality") -> "Quality":
        names = [f.name for f in fields(self)]
        return Quality(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @property
    def passes(self) -> bool:
        """Whether the targets are met."""
        return (
            self.losing == self.misconceptions
            and self.named >= LEAST_NAMED * self.misconceptions
            and self.variants_losing == 0
            and self.killed >= LEAST_KILLED * (self.mutants - self.equivalent)
            and self.diagnosed == 0
        )


def measure(
    exercise: Exercise, seeds: int = SEEDS, tick: Callable[[], object] = lambda: None
) -> Quality:
    """Return the quality of one exercise; `tick` is called once a seed."""
    return of_misconceptions(exercise) + of_variants(exercise, seeds, tick) + of_mutants(exercise)


def seeded(number: int):
    """Return a function (exercise, check) -> seed; number 0 stands for the public seeds."""
    if number == 0:
        return expectations.public_seed

    def seed_of(exercise, check):
        text = f"{number}/{exercise.id}/{check.name}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")

    return seed_of


# ------------------------------------------------------------------ misconceptions


def of_misconceptions(exercise: Exercise) -> Quality:
    """Count the misconceptions that lose points, and that are named, with every seed tried."""
    providers = [expectations.live(seeded(number)) for number in range(NAMED_SEEDS)]
    quality = Quality()
    for runs in zip(*(provider.misconceptions(exercise) for provider in providers), strict=True):
        reports = [
            judge_exercise(exercise, known.seen, expected)
            for known, expected in zip(runs, providers, strict=True)
        ]
        loses = all(report.score < report.points for report in reports)
        own = misconceptions.synonyms_of(exercise.id, runs[0].name)
        named = all(own & set(report.misconceptions) for report in reports)
        quality.misconceptions += 1
        quality.losing += loses
        quality.named += named
        if not (loses and named):
            said = ", ".join(reports[0].misconceptions) or "nothing"
            missing = "is taken for" if loses else "loses no points; diagnosis:"
            quality.exceptions.append(f"{exercise.id}: {runs[0].name!r} {missing} {said}")
    return quality


# ------------------------------------------------------------------ right answers


def of_variants(
    exercise: Exercise, seeds: int, tick: Callable[[], object] = lambda: None
) -> Quality:
    """Count the right answers, the reference among them, that ever lose points or get a hint."""
    answers = {"the reference": expectations.reference(exercise)}
    for variant in misconceptions.variants_of(exercise.id):
        answers[variant.name] = misconceptions.functions_of(variant)
    losing: dict[str, int] = {}
    diagnosed: dict[str, int] = {}
    for number in range(seeds):
        seed_of = seeded(number)
        expected = expectations.live(seed_of)
        for name, functions in answers.items():
            report = judge_exercise(exercise, observe(exercise, functions, seed_of), expected)
            if report.score < report.points:
                losing.setdefault(name, number)
            if report.misconceptions:
                diagnosed.setdefault(name, number)
        tick()
    exceptions = [
        f"{exercise.id}: {name!r} is right and {problem} with seed {number}"
        for problem, found in (("loses points", losing), ("gets a hint", diagnosed))
        for name, number in found.items()
    ]
    return Quality(
        variants=len(answers),
        variants_losing=len(losing),
        diagnosed=len(diagnosed),
        exceptions=exceptions,
    )


# ------------------------------------------------------------------ mutants


def of_mutants(exercise: Exercise) -> Quality:
    """Count the mutants of the reference, those listed as equivalent, and those caught."""
    reference, expected = (
        expectations.reference(exercise),
        expectations.live(expectations.public_seed),
    )
    text = misconceptions.reference_source(exercise, exercise.function)
    patterns = {_pattern(line) for line in misconceptions.equivalent_of(exercise.id)}
    quality, used = Quality(), set()
    for mutant in mutants(text, kinds_of_variables(exercise)):
        functions = misconceptions.assembled(exercise, {exercise.function: mutant.text}, "mutant")
        functions = reference | {exercise.function: functions[exercise.function]}
        seen = observe(exercise, functions, expectations.public_seed)
        report = judge_exercise(exercise, seen, expected)
        fitting = {pattern for pattern in patterns if pattern.fullmatch(mutant.line)}
        quality.mutants += 1
        if report.score < report.points:
            quality.killed += 1
        elif fitting:
            quality.equivalent += 1
            used |= fitting
        else:
            quality.exceptions.append(f"{exercise.id}: a mutant passes: {mutant.line}")
    if exercise.framework == "numpy":  # the table is written in its words
        quality.exceptions += [
            f"{exercise.id}: nothing that passes fits {pattern.pattern}: take it out of EQUIVALENT"
            for pattern in patterns - used
        ]
    return quality


def _pattern(line):
    """In the table of equivalent mutants, three dots stand for anything."""
    return re.compile(re.escape(line).replace(re.escape("..."), ".*"))


def kinds_of_variables(exercise: Exercise) -> dict[str, object]:
    """Return {name: kind} of the variables in the reference, seen while the scenarios run.

    An array's kind is its shape, anything else's its type.
    """
    reference = expectations.reference(exercise)
    written = inspect.unwrap(reference[exercise.function])
    methods = vars(written).values() if exercise.kind == "class" else (written,)
    codes = {inspect.unwrap(m).__code__ for m in methods if inspect.isfunction(m)}
    kinds: dict[str, object] = {}

    def look(frame, event, argument):
        if event == "return" and frame.f_code in codes:
            for name, value in frame.f_locals.items():
                shape = tuple(value.shape) if hasattr(value, "shape") else None
                kind = "dict" if isinstance(value, dict) else type(value).__name__
                kinds.setdefault(name, shape or kind)

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        observe(exercise, reference, expectations.public_seed)
    finally:
        sys.setprofile(before)
    return kinds


# ------------------------------------------------------------------ the command


HEADS = ("wrong\ncaught", "\nnamed", "right\nfailed", "\nhinted", "mutants\nkilled", "\nleft out")


def table(measured: Mapping[str, Quality]) -> Table:
    """Return one row for each exercise, under the name of its family; it fits 80 columns."""
    shown = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    shown.add_column("exercise", no_wrap=True)
    for head in HEADS:
        shown.add_column(head, justify="right")
    group = None
    for exercise_id, quality in measured.items():
        before, group, name = group, *exercise_id.rpartition(".")[::2]
        if group != before:
            shown.add_section()
            shown.add_row(f"[bold]{group}[/]")
        shown.add_row(name, *_cells(quality))
    return shown


def _cells(quality):
    return (
        f"{quality.losing}/{quality.misconceptions}",
        f"{quality.named}/{quality.misconceptions}",
        f"{quality.variants_losing}/{quality.variants}",
        f"{quality.diagnosed}/{quality.variants}",
        f"{quality.killed}/{quality.mutants - quality.equivalent}",
        str(quality.equivalent),
    )


def summary(total: Quality) -> str:
    """Return the sums of all exercises, with shares and targets, one line a kind of answer."""
    counted = total.mutants - total.equivalent
    return "\n".join(
        (
            f"{total.misconceptions} wrong answers: "
            f"{_share(total.losing, total.misconceptions)} caught (target 100.0%), "
            f"{_share(total.named, total.misconceptions)} named (target {LEAST_NAMED:.1%})",
            f"{total.variants} right answers: {total.variants_losing} failed, "
            f"{total.diagnosed} hinted (target 0)",
            f"{counted} mutants: {_share(total.killed, counted)} killed "
            f"(target {LEAST_KILLED:.1%}); {total.equivalent} that are right left out",
        )
    )


def _share(part, whole):
    return f"{part / whole:.1%}" if whole else "–"


def chosen(family: str, exercise: str) -> tuple[Exercise, ...]:
    """Return the exercises of a family, or the one with this id, or all."""
    if exercise:
        try:
            return (exercises.find(exercise),)
        except KeyError as error:
            raise typer.BadParameter(error.args[0]) from None
    found = tuple(e for e in exercises.all_exercises() if family in ("", e.family))
    if not found:
        known = sorted({e.family for e in exercises.all_exercises()})
        raise typer.BadParameter(f"there is no family {family!r}; there are {', '.join(known)}")
    return found


def main(
    seeds: int = typer.Option(SEEDS, min=1, help="how many seeds a right answer has to pass"),
    family: str = typer.Option("", help="only this family, such as normalization"),
    exercise: str = typer.Option("", help="only the exercise with this id"),
) -> None:
    """Measure the checks: what they catch, what they name, and whether right answers pass."""
    console = Console()
    measured = {}
    with Progress(console=console, transient=True) as progress:
        found = chosen(family, exercise)
        task = progress.add_task("measuring", total=seeds * len(found))
        for one in found:
            progress.update(task, description=one.id)
            measured[one.id] = measure(one, seeds, lambda: progress.advance(task))
    total = sum(measured.values(), Quality())
    console.print(table(measured))
    console.print(summary(total), highlight=False)
    for line in total.exceptions:
        console.print(line, markup=False, highlight=False)
    console.print("The targets are met." if total.passes else "The targets are not met.")
    raise typer.Exit(0 if total.passes else 1)


if __name__ == "__main__":
    typer.run(main)
