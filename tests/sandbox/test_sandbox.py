"""A student's process: what it may do, what comes back, and what stops it."""

import io
import json
import os
import re
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
from classroom import solution, template, with_body

from autograder import expectations
from autograder.grading import grader
from autograder.sandbox import process
from autograder.sandbox.process import (
    Fresh,
    Infrastructure,
    Limits,
    Process,
    Stopped,
    execute,
    read_array,
)
from autograder.submissions.notebook import Step, Unreadable, parse
from autograder.submissions.rebuild import rebuild

SECRET = "a token of the grader"
FORWARD, BACKWARD, FOLD = (
    f"normalization.{name}"
    for name in ("batchnorm_forward", "batchnorm_backward", "fold_batchnorm")
)


PLACES = {"warm": grader.sandboxes(), "fresh": Fresh()}


@pytest.fixture(scope="module", autouse=True)
def closed():
    yield
    PLACES["warm"].close()


def run(steps, limits=None, places="warm"):
    checked = grader.graded_exercises(template())
    return execute(steps, checked, expectations.public_seed, limits or Limits(), PLACES[places])


def steps_of(notebook, *more):
    """The steps of a notebook, with further cells of the student's after the setup."""
    setup, *rest = rebuild(template(), parse(json.dumps(notebook).encode())).steps
    return [setup, *(Step(f"more-{i}", "added", text) for i, text in enumerate(more)), *rest]


def busy(seconds):
    """A piece of code that takes so much of the processor's time."""
    clock = "time.process_time()"
    return f"import time\nend = {clock} + {seconds}\nwhile {clock} < end: pass"


def text_of(outputs):
    return "".join("".join(output.get("text", "")) for output in outputs)


# ------------------------------------------------------------------------- one process, asked


@pytest.fixture(scope="module")
def child():
    os.environ["GRADER_TOKEN"] = SECRET
    with Process(Limits(file=1000)) as process:
        yield process
    del os.environ["GRADER_TOKEN"]


@pytest.fixture
def cell(child):
    def execute(source):
        child.left = 60
        return child.ask({"do": "run", "source": source})["outputs"]

    return execute


def test_outputs_are_those_of_a_notebook(cell):
    outputs = cell(
        "import sys, matplotlib.pyplot as plt\n"
        "print('out')\nprint('err', file=sys.stderr)\nplt.plot([1, 2])\n6 * 7"
    )
    kinds = [(output["output_type"], output.get("name")) for output in outputs]
    assert kinds[:2] == [("stream", "stdout"), ("stream", "stderr")]
    assert {kind for kind, _ in kinds[2:]} == {"execute_result", "display_data"}
    data = {kind: value for output in outputs[2:] for kind, value in output["data"].items()}
    assert data["image/png"].startswith("iVBOR")
    assert "42" in [output["data"]["text/plain"] for output in outputs[2:]]


def test_errors_are_outputs_and_the_next_cell_runs(cell):
    (syntax,) = cell("def f(:\n  pass")
    assert syntax["ename"] == "SyntaxError"
    (error,) = cell("1 / 0")
    assert error["ename"] == "ZeroDivisionError" and error["traceback"]
    (result,) = cell("'still here'")
    assert result["data"]["text/plain"] == "'still here'"


def test_there_is_nothing_of_the_grader_in_the_environment(cell):
    found = text_of(cell("import os\nprint(dict(os.environ), os.getcwd())"))
    assert SECRET not in found
    assert os.path.expanduser("~") not in re.findall(r"'HOME': '([^']*)'", found)
    assert os.getcwd() not in found.split("}")[1]


def test_one_thread_and_no_standard_input(cell):
    found = text_of(cell("import sys, torch\nprint(torch.get_num_threads(), sys.stdin.read())"))
    assert found == "1 \n"


def test_a_compiled_function_is_called_as_it_is(cell):
    lines = "import torch\n\n\n@torch.compile\ndef f(x):\n    return x + 1"
    assert text_of(cell(f"{lines}\n\n\nprint(f(torch.ones(1)))")) == "tensor([2.])\n"


def test_a_memory_bomb_is_an_error_of_the_student(cell):
    outputs = cell("import numpy as np\nnp.ones(10**10)")
    assert "MemoryError" in outputs[-1]["ename"]


def test_a_full_disk_is_an_error_of_the_student(cell):
    outputs = cell("with open('big', 'wb') as file:\n    file.write(b'x' * 5000)")
    assert outputs[-1]["ename"] == "OSError"


def test_output_is_bounded(cell):
    outputs = cell("for _ in range(100_000):\n    print('x' * 100)")
    assert 100_000 < sum(map(len, map(str, outputs))) < 3_000_000


# ------------------------------------------------------------------------ a whole submission


@pytest.mark.parametrize("places", PLACES)
def test_scenarios_run_at_the_check_of_the_template_only(places):
    steps = steps_of(
        solution(),
        "check = 'my own variable'\nnp.random.seed(0)",
        "from autograder.check import check as again",
    )
    late = Step("late", "added", f"again('{FORWARD}', lambda *args: None)")
    outcome = run([*steps, late], places=places)
    assert outcome.complete
    assert set(outcome.seen) == {FORWARD, BACKWARD, FOLD}
    assert all(seen.fault is None for part in outcome.seen.values() for seen in part.values())
    assert outcome.outputs["late"][0]["data"]["text/plain"] == "0.0"


def test_an_endless_function_costs_itself_and_what_calls_it():
    notebook = with_body(solution(), "batchnorm_backward", "while True: pass")
    calls = f'check("{BACKWARD}", batchnorm_forward, batchnorm_backward)'
    steps = steps_of(notebook)
    outcome = run(steps, Limits(cell_seconds=4))
    assert list(outcome.stopped) == ["normalization-batchnorm_backward-check"]
    assert "4 seconds" in outcome.failed[BACKWARD].kind
    assert outcome.seen[BACKWARD] == {} and outcome.aborted is None
    assert all(seen.fault is None for id in (FORWARD, FOLD) for seen in outcome.seen[id].values())
    assert not outcome.complete and calls in [step.source for step in steps]


def test_own_cells_that_end_the_process_cost_only_themselves():
    crash = "import ctypes\nctypes.string_at(0)"
    steps = steps_of(solution(), "import os\nos._exit(7)")
    steps.insert(5, Step("crash", "added", crash))
    outcome = run(steps)
    assert outcome.stopped["more-0"].text == "exit status 7"
    assert outcome.stopped["crash"].text == "SIGSEGV" and outcome.aborted is None
    assert "7" not in outcome.stopped["more-0"].kind
    assert outcome.cut == {"more-0", "crash"} and not outcome.complete
    assert set(outcome.seen) == {FORWARD, BACKWARD, FOLD}


def test_so_many_graded_cells_that_end_the_process_end_the_run(monkeypatch):
    monkeypatch.setattr(process, "MAX_STOPS", 1)
    steps = steps_of(solution())
    crash = "import os\nos._exit(7)"
    steps = [replace(s, source=f"{s.source}\n{crash}") if s.role == "check" else s for s in steps]
    outcome = run(steps)
    assert outcome.aborted and len(outcome.stopped) == 2
    assert set(outcome.failed) == {FORWARD, BACKWARD} and not any(outcome.seen.values())


@pytest.mark.slow
def test_what_is_slow_is_executed_as_far_as_it_defines_something():
    limits = Limits(cell_seconds=2, own_seconds=3)
    slow = f"{busy(1.3)}\ndef half(x):\n    return x / 2"
    steps = steps_of(solution(), slow, slow.replace("half", "third"), slow)
    steps += [Step("late", "added", "print(half(2), third(2))")]
    outcome = run(steps, limits)
    assert text_of(outcome.outputs["late"]).startswith("1.0 1.0")
    assert "all added cells together" in outcome.stopped["more-2"].kind
    assert len(outcome.stopped) == 1 and outcome.aborted is None
    assert set(outcome.seen) == {FORWARD, BACKWARD, FOLD}


def test_when_the_time_of_graded_cells_is_used_up_the_rest_is_not_reached():
    notebook = with_body(solution(), "batchnorm_backward", "while True: pass")
    outcome = run(steps_of(notebook), Limits(total_seconds=2))
    assert "all graded cells together took longer than 2" in outcome.aborted.kind
    assert (
        set(outcome.failed) == {BACKWARD} and FORWARD in outcome.seen and FOLD not in outcome.seen
    )


def test_who_waits_again_and_again_is_given_up(monkeypatch):
    monkeypatch.setattr(process, "ATTEMPTS", 0.05)
    wait = "import time\ntime.sleep(60)"
    steps = steps_of(solution(), *[wait] * 3)
    outcome = run(steps, Limits(cell_seconds=0.5))
    said = [fault.kind for fault in outcome.stopped.values()]
    assert outcome.aborted and said[-1] == outcome.aborted.kind
    assert "all attempts together took longer than 0.05 minutes" in said[-1]
    assert len(outcome.stopped) == 3 and set(outcome.seen) == set()


def test_a_process_without_a_warm_one_leaves_nothing_behind():
    daemon = (
        "import os, subprocess\nprint(subprocess.Popen(['sleep', '600']).pid)\n"
        "from pathlib import Path\nprint(Path.cwd())"
    )
    with Fresh() as fresh, fresh.process(Limits(cell_seconds=60, total_seconds=60)) as process:
        outputs = process.ask({"do": "run", "source": daemon})["outputs"]
    pid, folder = text_of(outputs).split()
    assert not os.path.exists(folder)
    assert is_gone(int(pid))


SUICIDE = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"


@pytest.mark.slow
def test_to_be_killed_is_an_accident_once(monkeypatch):
    outcome = run(steps_of(solution(), SUICIDE))
    assert outcome.stopped["more-0"].text in ("SIGKILL", "SIGSYS") and outcome.aborted is None
    assert all(seen.fault is None for part in outcome.seen.values() for seen in part.values())

    asked = []
    real = Process.ask

    def ask(process, request, own=False):
        asked.append(request)
        if len(asked) == 4:  # as if somebody had killed it from outside
            os.kill(process.child.pid, signal.SIGKILL)
        return real(process, request, own)

    monkeypatch.setattr(Process, "ask", ask)
    outcome = run(steps_of(solution())[:3], places="fresh")
    assert outcome.complete and set(outcome.seen) == {FORWARD}


def is_gone(pid):
    """Whether a killed process has left; the kernel may need a moment."""
    for _ in range(100):
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.01)
    return False


FORGED = """
import itertools
from autograder.sandbox.inside import messages
ways = itertools.cycle([lambda arrays: [b"\\x80pickle"] * len(arrays), lambda arrays: arrays[1:]])
framed = messages.framed
messages.framed = lambda answer, arrays: framed(answer, next(ways)(arrays) if arrays else arrays)
"""


@pytest.mark.slow
def test_results_that_are_not_as_agreed_are_faults_of_the_submission():
    outcome = run(steps_of(solution(), FORGED)[:6], places="fresh")
    seen = [one for part in outcome.seen.values() for one in part.values()]
    assert len(seen) > 6
    assert {one.fault.kind for one in seen} == {process.MALFORMED}
    details = " ".join(one.fault.text for one in seen)
    assert all(said in details for said in ("not an array", "were announced"))


def test_an_answer_that_is_not_as_agreed_stops_the_process():
    with Process(Limits()) as process:
        process.ask({"do": "run", "source": "import json"})
        with pytest.raises(Stopped, match="not as agreed"):
            process.ask({"do": "run", "source": "json.dumps = lambda *args: '[]'"})


def test_a_sandbox_that_cannot_start_is_nobodys_mark(monkeypatch):
    monkeypatch.setattr(process.sys, "executable", "/bin/false")
    with pytest.raises(Infrastructure, match="did not start"):
        run(steps_of(solution()), places="fresh")
    monkeypatch.setattr(process.sys, "executable", "/bin/no-such-python")
    with pytest.raises(Infrastructure, match="no-such-python"):
        run(steps_of(solution()), places="fresh")


def test_a_sandbox_with_other_exercises_is_nobodys_mark(monkeypatch):
    monkeypatch.setattr(process, "check_names", lambda: ["an older check"])
    with pytest.raises(Infrastructure, match="changed while grading ran"):
        run(steps_of(solution()), places="fresh")


REMEMBER = """
import builtins
def remembering(impl, exercise, check, seed):
    with open("../remembered", "a") as file:
        file.write(f"seed {seed} ")
    builtins.remembered = f"seed {seed}"
    return observe(impl, exercise, check, seed)
import sys
from autograder.checking.observe import observe_check as observe
for module in list(sys.modules.values()):
    if hasattr(module, "observe_check"):
        module.observe_check = remembering
"""
TELL = """
import builtins, os
print("told:", getattr(builtins, "remembered", ""))
print(open("../remembered").read() if os.path.exists("../remembered") else "")
raise RuntimeError(getattr(builtins, "remembered", "nothing"))
"""


def test_what_was_seen_in_a_scenario_cannot_be_told_later():
    steps = [*steps_of(solution(), REMEMBER), Step("tell", "added", TELL)]
    outcome = run(steps)
    assert outcome.complete and len(outcome.seen) == 3
    assert "told:" in text_of(outcome.outputs["tell"])
    assert "seed" not in json.dumps(outcome.outputs)


def test_a_crash_on_secret_inputs_tells_nothing_of_them():
    body = "import os\nos._exit(100 + int(abs(W).sum()) % 100)"
    outcome = run(steps_of(with_body(solution(), "fold_batchnorm", body.replace("\n", "; "))))
    fault = outcome.failed[FOLD]
    assert fault.kind == "stopped: it ended the Python process" and "status 1" in fault.text
    assert outcome.seen[FOLD] == {} and set(outcome.seen) == {FORWARD, BACKWARD, FOLD}


def test_half_a_letter_is_replaced_in_errors_and_names():
    body = "raise ValueError('\\ud800')"
    outcome = run(steps_of(with_body(solution(), "fold_batchnorm", body)))
    texts = [seen.fault.text for seen in outcome.seen[FOLD].values()]
    assert all("ValueError: ?" in text for text in texts) and texts
    reply = {"arrays": ["half \ud800"]}
    assert list(process._seen(reply, [saved(np.zeros(2))]).arrays) == ["half ?"]


# --------------------------------------------------------------------------------- arrays


def saved(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def forged(shape, data):
    """A file whose header says `shape`."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}".encode()
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "?", ">f8"])
def test_plain_arrays_are_read(dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    for kept in (array, array.T, array[:0], array[0, 0]):
        np.testing.assert_array_equal(read_array(saved(kept)), kept, strict=True)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not an array",
        saved(np.array([{}], dtype=object), allow_pickle=True),
        saved(np.array(["text"])),
        saved(np.zeros(2, "f8,i4")),
        saved(np.zeros(2, "c16")),
        saved(np.zeros(2, "m8[s]")),
        saved(np.zeros(2, np.longdouble)),
        saved(np.zeros(4))[:-1],
        saved(np.zeros(4)) + b"x",
        saved(np.zeros(4)).replace(b"(4,)", b"(9,)"),
        saved(np.zeros(4)).replace(b"(4,)", b"(-4,)"[:4]),
        saved(np.zeros(4)).replace(b"'descr'", b"'other'"),
        forged("(1,) * 65", bytes(8)),
        forged(str((1,) * 65), bytes(8)),
        forged("(0, 2**63)", b""),
        forged(f"(0, {2**63})", b""),
        forged(f"(0, {10**28})", b""),
        forged(f"(0, {'999999999, ' * 30})", b""),
        forged("(True,)", bytes(8)),
        forged("(1.0,)", bytes(8)),
        forged("(0x1for x in y)", bytes(8)),
    ],
)
def test_anything_else_is_refused(data):
    with pytest.raises(Unreadable):
        read_array(data)
