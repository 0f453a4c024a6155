"""`make claims`: measure again what the lessons say, on several machines, and write it down.

A claim is a tag on a cell of a lesson (`autograder.lessons.lesson` says how). The solution runs
up to its last claim in a process of its own, under each profile; what came out stands in
docs/results.json, from which docs/results.md is made. Sign and order are the claim, not the number.

    python -m autograder.quality.claims                    every lesson, under every profile
    python -m autograder.quality.claims 02 --profile native   one lesson, one profile
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from autograder.answers import ROOT
from autograder.lessons.lesson import Claim, Lesson, all_lessons, find_lesson
from autograder.quality.machines import PROFILES, bits, environment

RESULTS = ROOT / "docs" / "results.json"
PAGE = ROOT / "docs" / "results.md"
WORDS = {"above": "above", "below": "below", "alike": "not clearly different from"}


def measured(claim: Claim, value: Any) -> dict:
    """Return what one machine came to: the numbers, and whether they say what the claim says."""
    if claim.bounds is None:
        found = {
            "names": list(value.names),
            "mean": value.mean,
            "low": value.low,
            "high": value.high,
            "seeds": len(value.a),
        }
        clear = "alike" if value.low <= 0 <= value.high else "above" if value.mean > 0 else "below"
        return found | {"holds": clear == claim.says}
    low, high = claim.bounds
    return {"value": float(value), "holds": bool(low <= float(value) <= high)}


def run(lesson: Lesson) -> dict[str, dict]:
    """Run the solution of a lesson up to its last claim; return what each claim came to."""
    import matplotlib

    matplotlib.use("agg")
    namespace: dict[str, Any] = {"__name__": "__main__", "display": lambda *shown: None}
    cells = [cell for cell in lesson.cells if cell.kind == "code" and cell.role != "check"]
    last = max(i for i, cell in enumerate(cells) if cell.claim)
    found = {}
    for cell in cells[: last + 1]:
        exec(compile(cell.solution, f"<{lesson.name} {cell.id}>", "exec"), namespace)
        if cell.claim:
            found[cell.claim.id] = measured(cell.claim, eval(cell.claim.of, namespace))
    return found


def claims_of(lesson: Lesson) -> list[Claim]:
    """Return the claims of a lesson, in their order."""
    return [cell.claim for cell in lesson.cells if cell.claim]


def measure(lessons: Iterable[Lesson], profiles: Iterable[str], say=print) -> dict:
    """Return {lesson: {claim: {profile: what it came to}}}, measured in processes of their own."""
    results: dict[str, dict] = {}
    for lesson in lessons:
        claims: dict[str, dict] = {claim.id: {} for claim in claims_of(lesson)}
        for profile in profiles if claims else ():
            start = time.monotonic()
            for name, found in _in_process(lesson, profile).items():
                claims[name][profile] = found
            failing = [name for name, found in claims.items() if not found[profile]["holds"]]
            seconds = time.monotonic() - start
            say(
                f"{lesson.number} {profile}: {len(claims)} claims in {seconds:.0f} s, "
                f"{'all hold' if not failing else 'not: ' + ', '.join(failing)}"
            )
        if claims:
            results[lesson.number] = claims
    return results


def _in_process(lesson, profile):
    """Run a lesson in a process under a profile."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        command = [sys.executable, "-m", __spec__.name, "--inside", str(out), lesson.number]
        done = subprocess.run(
            command,
            env=environment(profile) | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(
                f"lesson {lesson.number} under {profile} did not come to its last claim: "
                f"{done.stderr.strip()[-1000:]}"
            )
        return json.loads(out.read_text(encoding="utf-8"))


def merged(old: Mapping, new: Mapping, lessons: Iterable[Lesson]) -> dict:
    """Return `old` with `new` in it, and without claims that no lesson makes any more."""
    kept: dict[str, dict] = {}
    for lesson in lessons:
        for claim in claims_of(lesson):
            before = old.get(lesson.number, {}).get(claim.id, {})
            now = new.get(lesson.number, {}).get(claim.id, {})
            kept.setdefault(lesson.number, {})[claim.id] = before | now
    return kept


def page(results: Mapping, lessons: Iterable[Lesson]) -> str:
    """Return docs/results.md: a row a claim, with what each machine came to."""
    lines = [
        "# What the lessons say, measured",
        "",
        "Made by `make claims` from `docs/results.json`; do not edit. A claim is what the prose of",
        "a lesson leans on. Each was measured under several profiles of linear algebra, which",
        "round like other processors; sign and order are the claim, not the number.",
    ]
    for lesson in lessons:
        claims = claims_of(lesson)
        if not claims:
            continue
        lines += ["", f"## {lesson.number} {lesson.title}", ""]
        lines += ["| claim | slide | says | " + " | ".join(PROFILES) + " |"]
        lines += ["|" + " --- |" * (3 + len(PROFILES))]
        for claim in claims:
            by_profile = results.get(lesson.number, {}).get(claim.id, {})
            cells = [_cell(by_profile.get(profile)) for profile in PROFILES]
            says = _says(claim, by_profile)
            lines.append(f"| {claim.id} | {claim.slide or '–'} | {says} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _says(claim, by_profile):
    names = next((found["names"] for found in by_profile.values() if "names" in found), None)
    if claim.bounds is None:
        first, second = names or ("a", "b")
        return f"{first} is {WORDS[claim.says]} {second}"
    return f"between {claim.bounds[0]:g} and {claim.bounds[1]:g}"


def _cell(found):
    if found is None:
        return "not measured"
    mark = "" if found["holds"] else " **does not hold**"
    if "value" in found:
        return f"{_short(found['value'])}{mark}"
    interval = f"[{_short(found['low'])}, {_short(found['high'])}]"
    return f"{_short(found['mean'])} {interval}, {found['seeds']} seeds{mark}"


def _short(value):
    return f"{value:.3g}" if math.isfinite(value) else str(value)


def read(path: Path = RESULTS) -> dict:
    """Return what docs/results.json holds."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def main(
    lesson: Annotated[list[str] | None, typer.Argument(help="Such as 02; all without.")] = None,
    profile: Annotated[list[str] | None, typer.Option(help="Repeatable; all without.")] = None,
    inside: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Measure the claims of the lessons again and write docs/results.json and docs/results.md."""
    everything = all_lessons()
    chosen = [find_lesson(name) for name in lesson] if lesson else list(everything)
    if inside:
        inside.write_text(json.dumps(run(chosen[0])), encoding="utf-8")
        return
    runnable = []
    for name in profile or PROFILES:
        if isinstance(reason := bits(name), str):
            Console(stderr=True).print(f"{name}: skipped, not on this machine: {reason}")
        else:
            runnable.append(name)
    new = measure(chosen, runnable)
    results = merged(read(), new, everything)
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(results, everything), encoding="utf-8")
    found = [f for claims in new.values() for claim in claims.values() for f in claim.values()]
    if not all(f["holds"] for f in found):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
