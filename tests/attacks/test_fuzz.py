"""Some mutations of a submission; `fuzz.py` tries ten thousand."""

import fuzz
import pytest

from autograder.submissions import rebuild as rebuilding


@pytest.fixture(scope="module")
def original():
    return fuzz.load("solution")


@pytest.mark.parametrize("seeds", [40, pytest.param(200, marks=pytest.mark.slow)])
def test_no_mutation_raises_or_loses_what_is_intact(seeds):
    assert fuzz.main(seeds, progress=iter) > seeds


def test_mutations_depend_on_their_seed_alone(original):
    assert fuzz.mutated(3, original) == fuzz.mutated(3, original)
    assert len({fuzz.mutated(seed, original)[1] for seed in range(20)}) == 20


def test_a_mutation_leaves_most_solutions_intact(original):
    notebook, content = {}, b""
    counts = []
    for seed in range(40):
        notebook, content = fuzz.mutated(seed, original)
        counts.append(len(fuzz.intact(original, notebook, content)))
    assert sum(counts) > 4 * len(counts)


def test_a_lost_cell_is_noticed(monkeypatch):
    fill = rebuilding._Rebuild._fill

    def forgetful(self, cell, submitted, kind):
        if "debias" not in cell.id:
            fill(self, cell, submitted, kind)

    monkeypatch.setattr(rebuilding._Rebuild, "_fill", forgetful)
    with pytest.raises(AssertionError, match="debias_running-solution was intact"):
        fuzz.main(20, progress=iter)
