"""A student may think that a check is wrong: what is written down, read and listed."""

import json

import pytest

from autograder import check as notebook
from autograder.checking import disputes
from autograder.course.folder import Course
from autograder.course.reporting import list_disputes

NAME = "optim.sgd_momentum"


def wrong(w, dw, config=None):
    return w, config


@pytest.fixture
def written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    notebook.check(NAME, wrong)
    notebook.dispute("my <b>reason</b>")
    assert "hand it in" in capsys.readouterr().out
    return tmp_path / "dispute-optim-sgd_momentum.json"


def test_a_dispute_holds_code_checks_and_seeds_and_is_listed(written, tmp_path):
    data = disputes.parse(written.read_bytes())
    assert data["exercise"] == NAME and "def wrong" in data["code"]
    assert data["checks"] and all(row["seed"].isdigit() for row in data["checks"])
    place = tmp_path / "course" / "submitted" / "ada" / "05"
    place.mkdir(parents=True)
    written.rename(place / written.name)
    (place / "dispute-odd.json").write_text("[1]")
    lines = list(list_disputes(Course(tmp_path / "course"), "05"))
    assert any(f"ada, 05: {NAME}" in line and "my <b>reason" in line for line in lines)
    assert any("dispute-odd.json cannot be read" in line for line in lines)
    assert list(list_disputes(Course(tmp_path / "course"), "06")) == ["nobody disputes a check"]


def test_only_what_failed_can_be_disputed(tmp_path, monkeypatch, capsys):
    from cs231n_lib.optim.in_numpy import sgd_momentum

    monkeypatch.chdir(tmp_path)
    notebook.check(NAME, sgd_momentum)
    notebook.dispute()
    assert "Run a check that fails first" in capsys.readouterr().out
    notebook.check(NAME, wrong)
    notebook.dispute("", "no such check")
    assert "There is no check 'no such check'" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["[]", "{", '{"exercise": 1}'])
def test_what_is_no_dispute_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        disputes.parse(text.encode())


def test_numbers_and_long_texts_are_bounded():
    data = dict.fromkeys(("exercise", "code", "note", "versions"), "x" * 10**6)
    found = disputes.parse(json.dumps(data | {"checks": [{"check": 1}, 2]}).encode())
    assert len(found["note"]) == disputes.MAX_NOTE and len(found["code"]) == disputes.MAX_CODE
    assert found["checks"] == [{"check": "1", "seed": "", "said": ""}]
