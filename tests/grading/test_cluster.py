"""A class graded on Dask's workers: the results of one machine, each written once."""

import json

import pytest
from classroom import NAME, added, content, solution, template, with_body

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
from autograder.grading.batch import grade_batch
from autograder.grading.cluster import cluster_blocks, session
from autograder.grading.grader import Grader
from autograder.grading.log import Log
from autograder.grading.results import Store

SECRET = b"the secret of a course"
COUNT = 6


def hand_in(folder):
    """Right and wrong answers and a file that is no notebook, each another one."""
    paths = {}
    for number in range(COUNT):
        student = f"student-{number}"
        notebook = solution()
        notebook.cells.append(added(f"'{student}'"))
        if number % 3 == 1:
            notebook = with_body(notebook, "batchnorm_forward", "return x, None")
        path = folder / "submitted" / student / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(notebook) if number % 3 != 2 else b"no notebook")
        paths[student] = path
    return paths


def timeless(folder):
    """What is kept in a folder, without what a clock decided."""
    kept = {}
    for path in sorted(folder.glob("*.json")):
        result = json.loads(path.read_text("utf-8"))
        kept[path.stem] = result | {"seconds": 0, "observed": bool(result["observed"])}
    return kept


def graded_on(connect, folder, paths, **options):
    """Grade on a cluster and return the blocks' results and faults, and the log."""
    log = Log(folder / "log.jsonl")
    results, faults = {}, {}
    with Grader(template(), NAME, SECRET, log=log) as grader:
        for block in cluster_blocks(connect, grader, paths, Store(folder / "results"), **options):
            results |= block.results
            faults |= block.faults
    return results, faults, log.read()


@pytest.mark.slow
def test_a_cluster_comes_to_the_results_of_one_machine_and_goes_on_from_them(tmp_path):
    paths = hand_in(tmp_path)
    with Grader(template(), NAME, SECRET) as grader:
        grade_batch(grader, paths, Store(tmp_path / "serial"), jobs=1)
    with session("local", jobs=2) as connect:
        results, faults, log = graded_on(connect, tmp_path, paths)
        assert faults == {} and results.keys() == paths.keys()
        left, right = timeless(tmp_path / "results"), timeless(tmp_path / "serial")
        assert left.keys() == right.keys()
        for who in left:
            assert left[who] == right[who]
        assert sorted(e["student"] for e in log if e["event"] == "graded") == sorted(paths)
        again, faults, log = graded_on(connect, tmp_path, paths)
        assert again == results and faults == {}
        assert [e["event"] for e in log].count("graded") == len(paths)
