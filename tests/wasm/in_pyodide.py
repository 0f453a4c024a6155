"""What do the checks of the kit say of right and wrong answers? Runs under Pyodide and natively.

`sys.argv[1]` is a folder with the whole course; the kit, with its recordings, is on `sys.path`.
`run` gives {"references": [[exercise, its share of full marks], …]} and, with `everything`, the
"catalogue": [[exercise, misconception, share, names found], …].
"""

import sys
from pathlib import Path

RECORDINGS = next(
    found for place in sys.path if (found := Path(place, "autograder", "recordings")).is_dir()
)
sys.path.insert(0, sys.argv[1])

from autograder import exercises, expectations, misconceptions  # noqa: E402
from autograder.checking.diagnose import judge_exercise  # noqa: E402
from autograder.checking.observe import observe  # noqa: E402

provider = expectations.recorded(RECORDINGS)


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
            share = report.score / exercise.points
            names = sorted(report.misconceptions)
            found["catalogue"].append([exercise.id, wrong.name, share, names])
    return found
