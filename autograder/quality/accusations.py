"""How many honest answers the rules against shortcuts accuse, from their sources: it must be none.

    python -m autograder.quality.accusations [--styles 3]

Honest are the references, all other right answers and all known mistakes that the course knows,
each as it stands and in the styles of some made-up students.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from autograder import exercises, misconceptions
from autograder.checking.spec import Exercise
from autograder.quality.styles import styled
from autograder.submissions.code import Code
from autograder.submissions.notebook import Step

COSTS, NOTES = "cost the exercise", "noted to the instructor"


def honest(exercise: Exercise) -> Iterator[str]:
    """Yield the source of everything that is known to be somebody's own work."""
    yield misconceptions.reference_source(exercise, exercise.function)
    for known in (misconceptions.variants_of, misconceptions.of):
        for record in known(exercise.id):
            yield "\n\n".join(misconceptions.texts_of(record).values())


def accused(exercise: Exercise, source: str) -> dict[str, list[str]]:
    """Return what the rules say of an answer; nothing where they say nothing."""
    code = Code([Step("a", "solution", source, f"{exercise.grade_id}-solution")])
    found = {
        COSTS: code.shortcuts(exercise),
        NOTES: [*code.by_steps(exercise), *code.put_in(exercise), *code.notes()],
    }
    return {kind: said for kind, said in found.items() if said}


def measure(
    chosen: Iterable[Exercise], styles: int
) -> Iterator[tuple[Exercise, str, dict[str, list[str]]]]:
    """Yield each honest answer, as it stands and in some styles, with what is said of it."""
    rng = np.random.default_rng(0)
    for exercise in chosen:
        for text in honest(exercise):
            for source in (text, *(styled(text, rng) for _ in range(styles))):
                yield exercise, source, accused(exercise, source)


def main() -> None:
    """Print how many honest answers there are, and what is said of those that are accused."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--styles", type=int, default=3)
    answers, kinds = 0, Counter[str]()
    for exercise, source, found in measure(exercises.all_exercises(), parser.parse_args().styles):
        answers += 1
        kinds.update(found)
        if found:
            print(f"{exercise.id}: {found}\n{source}\n")
    said = ", ".join(f"{kinds[kind]} {kind}" for kind in (COSTS, NOTES))
    print(f"{answers} honest answers to {len(exercises.all_exercises())} exercises: {said}")


if __name__ == "__main__":
    main()
