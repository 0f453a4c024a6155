"""Wrong answers that nobody has named are found by what they return, and become records."""

import ast
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

from autograder import exercises, expectations, misconceptions
from autograder.checking.diagnose import judge_exercise
from autograder.checking.ladder import smallest_difference
from autograder.checking.observe import observe
from autograder.course import mine, stubs
from autograder.course.errors import CourseError
from autograder.grading.observations import NotKept
from autograder.lessons.lesson import find_lesson
from autograder.quality.styles import styled

SEED_OF = expectations.public_seed
STUDENTS = 500
IDS = (
    *(f"normalization.{name}" for name in ("batchnorm_forward", "layernorm_forward")),
    *(f"optim.{name}" for name in ("sgd_momentum", "rmsprop", "adam")),
)


class InProcess:
    """A laboratory for texts of our own, which need no sandbox."""

    def observe(self, exercise, texts):
        return observe(exercise, self._functions(exercise, texts), SEED_OF)

    def smallest(self, exercise, texts):
        right = expectations.live(SEED_OF).small(exercise)
        return str(smallest_difference(exercise, self._functions(exercise, texts), right) or "")

    @staticmethod
    def _functions(exercise, texts):
        return misconceptions.assembled(exercise, texts, "tried")


@cache
def everything():
    return expectations.live(SEED_OF)


class LeftOut:
    """Expectations in which some kinds of the catalogue are not known."""

    def __init__(self, names):
        self.names = names
        self.expected = everything().expected

    def misconceptions(self, exercise):
        return tuple(
            known
            for known in everything().misconceptions(exercise)
            if (exercise.id, known.name) not in self.names
        )

    def traces(self, exercise):
        return ()


@cache
def shown(exercise, text):
    """What an answer shows; rewritten in another style it shows the same."""
    return InProcess().observe(exercise, {exercise.function: text})


def text_of(record):
    exercise = exercises.find(record.exercise)
    texts = misconceptions.texts_of(record)
    return texts.get(exercise.function) if texts.keys() == {exercise.function} else None


@cache
def made_up_class(ids):
    """Return (answers, who gives which unknown one, sources, who is unnamed by kind)."""
    rng, planted, answers, sources, unnamed = np.random.default_rng(0), {}, [], {}, {}
    for exercise_id in ids:
        exercise = exercises.find(exercise_id)
        known = [m for m in misconceptions.of(exercise_id) if text_of(m)]
        unknown = known[::4]
        names = {(exercise_id, s) for m in unknown for s in _synonyms(m)}
        provider = LeftOut(names)
        right = [misconceptions.reference_source(exercise, exercise.function)]
        right += filter(None, map(text_of, misconceptions.variants_of(exercise_id)))
        judged = {}
        for number in range(STUDENTS):
            kind = rng.random()
            pool = right if kind < 0.6 else known if kind < 0.7 else unknown
            chosen = pool[rng.integers(len(pool))]
            text = chosen if isinstance(chosen, str) else text_of(chosen)
            student, seen = f"s{number}", shown(exercise, text)
            if text not in judged:
                judged[text] = judge_exercise(exercise, seen, provider)
            if pool is unknown:
                planted.setdefault((exercise_id, chosen.name), set()).add(student)
            if mine.is_unnamed(judged[text]):
                answers.append(mine.Answer(student, exercise, judged[text], seen))
                unnamed.setdefault(kind_of(pool, right), set()).add((student, exercise_id))
                sources[student, exercise_id] = styled(stubs.plain(text), rng)
    return answers, planted, sources, unnamed


def kind_of(pool, right):
    return "right" if pool is right else "wrong"


def _synonyms(record):
    return misconceptions.synonyms_of(record.exercise, record.name)


@cache
def found(ids):
    return mine.clusters(made_up_class(ids)[0], lambda turn: everything())


def ids_of(lesson):
    return tuple(exercise.id for exercise in find_lesson(lesson).exercises)


SLOW = [IDS, ids_of("09"), ids_of("12")]


@pytest.mark.parametrize(
    "ids", [IDS[2:3], *(pytest.param(ids, marks=pytest.mark.slow) for ids in SLOW)]
)
def test_planted_kinds_are_found_as_clusters_and_right_answers_are_none(ids):
    _, planted, _, unnamed = made_up_class(ids)
    assert len(planted) >= 2 * len(ids) and "right" not in unnamed
    groups = [(c.exercise.id, set(c.students)) for c in found(ids)]
    whole = [
        (exercise_id, name)
        for (exercise_id, name), who in planted.items()
        if any(exercise_id == other and who <= group for other, group in groups)
    ]
    assert len(whole) >= 0.8 * len(planted), set(planted) - set(whole)
    assert [len(c.answers) for c in found(ids)] == sorted(len(c.answers) for c in found(ids))[::-1]


@pytest.mark.slow
def test_records_guessed_from_styled_answers_are_tried():
    sources = made_up_class(IDS)[2]
    provider = LeftOut({(i, n) for i, n in made_up_class(IDS)[1]})
    findings = [
        mine.finding_of(c, [sources[s, c.exercise.id] for s in c.students], InProcess(), provider)
        for c in found(IDS)[:12]
    ]
    ready = [f for f in findings if f.is_ready]
    assert len(ready) >= 0.8 * len(findings)
    assert any(f.stub.edits for f in ready) and any(f.smallest for f in ready)
    for finding in ready:
        ast.parse(finding.stub.text("helper"))


def test_an_edit_is_guessed_whatever_the_names():
    reference = "def f(x, eps):\n    mean = x.mean()\n    return (x - mean) / np.sqrt(eps + 1)"
    answer = "def f(a, e):\n    # mine\n    m = a.mean()\n    return (a - m) / np.sqrt(e)"
    assert stubs.guessed_edits(reference, answer, "f") == (("eps + 1", "eps"),)
    left_out = "def f(x, eps):\n    return (x - mean) / np.sqrt(eps + 1)"
    assert stubs.guessed_edits(reference, left_out, "f") == (("mean = x.mean()", "pass"),)
    assert stubs.guessed_edits(reference, "def f(x", "f") == ()


@pytest.fixture
def stub():
    exercise = exercises.find("optim.rmsprop")
    return stubs.Stub(exercise, (("a", "b"),), "", name="its name", hint="Look at “a”. " * 12)


def test_an_accepted_record_stands_in_its_family_where_tests_find_it(stub, tmp_path, monkeypatch):
    path = tmp_path / "family.py"
    path.write_text('"""A family."""\n\nimport math\n\nMISCONCEPTIONS = ()\n')
    monkeypatch.setattr(stubs, "family_file", lambda exercise: path)
    stubs.accept(stub)
    namespace = {}
    exec(path.read_text(), namespace)
    (record,) = namespace["MISCONCEPTIONS"]
    assert (record.name, record.hint, record.exercise) == (stub.name, stub.hint, "optim.rmsprop")
    assert record.edits == {"rmsprop": (("a", "b"),)}
    monkeypatch.setattr(misconceptions, "of", lambda exercise_id: (record,))
    with pytest.raises(ValueError, match="already"):
        stubs.accept(stub)


def test_of_answers_that_show_the_same_one_is_in_memory():
    exercise = exercises.find("optim.sgd")
    text = "def sgd(w, dw, config=None):\n    return w, config"
    seen = (InProcess().observe(exercise, {"sgd": text}) for _ in range(3))
    answers = (mine.Answer(f"s{i}", exercise, None, shown) for i, shown in enumerate(seen))
    (found,) = mine.clusters(answers, lambda turn: everything())
    assert len(found.answers) == 3 and len({id(one.seen) for one in found.answers}) == 1


def test_answers_that_all_differ_are_not_all_compared(monkeypatch):
    exercise, compared = exercises.find("optim.sgd"), []
    seen = InProcess().observe(
        exercise, {"sgd": "def sgd(w, dw, config=None):\n    return w, config"}
    )

    def off_by(factor):
        return {
            check: replace(one, arrays={k: v * factor for k, v in one.arrays.items()})
            for check, one in seen.items()
        }

    answers = [mine.Answer(f"s{i}", exercise, None, off_by(2 + i % 100)) for i in range(200)]
    same = mine.shows_same
    monkeypatch.setattr(mine, "shows_same", lambda *two: compared.append(two) or same(*two))
    found = mine.clusters(answers, lambda turn: everything())
    assert [len(cluster.answers) for cluster in found] == [2] * 100
    assert len(compared) <= 2 * len(answers)


def test_what_is_not_written_or_not_observed_is_no_mistake():
    row = SimpleNamespace(earned=0, misconception="", message="not written yet")
    assert not mine.is_unnamed(SimpleNamespace(rows=[row]))
    named = SimpleNamespace(earned=0, misconception="known", message="differs")
    assert not mine.is_unnamed(SimpleNamespace(rows=[named]))


def test_observations_are_read_of_those_who_have_a_mistake_without_a_name():
    read = []

    def observations(result):
        read.append(result)
        raise NotKept("they were not kept")

    def result(misconception):
        row = SimpleNamespace(earned=0, misconception=misconception, message="differs")
        return SimpleNamespace(student=misconception, reports=[SimpleNamespace(rows=[row])])

    def course(*results):
        store = SimpleNamespace(observations=observations)
        return SimpleNamespace(
            root="course", store=lambda _: store, results=lambda _: results, secret=lambda: b""
        )

    assert mine.read_clusters(course(result("known")), "02") == ([], []) and not read
    with pytest.raises(CourseError, match="No observations are kept for 02"):
        mine.read_clusters(course(result("known"), result("")), "02")
    assert [one.student for one in read] == [""]
