"""Runs under Pyodide, with the whole course in /course: what do the checks of the kit say there?

`results` is [[exercise, its share of full marks], …] for the references, and with `everything`
[[exercise, misconception, share, names found], …] for the catalogue.
"""

import sys
from pathlib import Path

kit = next(Path(place, "autograder") for place in sys.path if Path(place, "autograder").is_dir())
sys.path.insert(0, "/course")

from autograder import exercises, expectations, misconceptions  # noqa: E402
from autograder.checking.diagnose import judge_exercise  # noqa: E402
from autograder.checking.observe import observe  # noqa: E402

provider = expectations.recorded(kit / "recordings")


def judged(exercise, functions):
    """Return the report on `functions` with the recordings of the kit."""
    seen = observe(exercise, functions, expectations.public_seed)
    return judge_exercise(exercise, seen, provider)


def run(everything):
    """Return what the references earn, and what the wrong answers are called."""
    found = {"references": [], "catalogue": []}
    for exercise in exercises.all_exercises():
        if exercise.framework == "torch":
            continue
        report = judged(exercise, expectations.reference(exercise))
        found["references"].append([exercise.id, report.score / exercise.points])
        for wrong in misconceptions.of(exercise.id) if everything else ():
            report = judged(exercise, misconceptions.functions_of(wrong))
            names = sorted({row.misconception for row in report.rows} - {""})
            share = report.score / exercise.points
            found["catalogue"].append([exercise.id, wrong.name, share, names])
    return found
