"""What do the checks of the kit say of right and wrong answers? Runs under Pyodide and natively."""

import sys
from pathlib import Path


def run(course, everything):
    """Return what the references earn, and what the wrong answers are called.

    The kit, with its recordings, is on `sys.path`; `course` is a folder with the whole course. The
    result is {"references": [[exercise, its share of full marks], …]} and, with `everything`, the
    "catalogue": [[exercise, misconception, share, names found], …].
    """
    places = (Path(place, "autograder", "recordings") for place in sys.path)
    recordings = next(place for place in places if place.is_dir())
    sys.path.insert(0, course)
    from autograder import exercises, expectations, misconceptions
    from autograder.checking.diagnose import judge_exercise
    from autograder.checking.observe import observe

    provider = expectations.recorded(recordings)

    def judged(exercise, functions):
        seen = observe(exercise, functions, expectations.public_seed)
        report = judge_exercise(exercise, seen, provider)
        return report.score / exercise.points, sorted(report.misconceptions)

    found = {"references": [], "catalogue": []}
    for exercise in exercises.all_exercises():
        if exercise.framework == "torch":
            continue
        share, _ = judged(exercise, expectations.reference(exercise))
        found["references"].append([exercise.id, share])
        for wrong in misconceptions.of(exercise.id) if everything else ():
            answer = misconceptions.functions_of(wrong)
            found["catalogue"].append([exercise.id, wrong.name, *judged(exercise, answer)])
    return found
