"""The rooms of `autograder`: each imports only what is below it, and no two in a circle."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GRADER = ROOT / "autograder"

# From the top; a module beside the rooms is a room of its own.
ROOMS = (
    "__main__",
    "cli",
    "learner_commands",
    "nbgrader_plugin",  # the door of existing courses
    "course",
    "grading",
    "sandbox",
    "sandbox.inside",
    "carry",
    "check",
    "quality",
    "lessons",
    "learning",
    "expectations",
    "misconceptions",
    "exercises",
    "submissions",
    "checking",
    "bars",
    "answers",
)
# Where a student's code runs, nothing of the grading side may be within reach.
INSIDE = ("sandbox.inside", "check", "learning", "expectations", "exercises", "checking")
HANDED_OUT = INSIDE[1:]


def room_of(module):
    """Return the room of a module such as 'autograder.sandbox.inside.child'."""
    parts = module.split(".")[1:]
    return max((r for r in ROOMS if parts[: r.count(".") + 1] == r.split(".")), key=len, default="")


def modules():
    """Yield (dotted name, path) of every module of the grader."""
    for path in sorted(GRADER.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports_of(path):
    """Yield the dotted names of the grader's modules that a file imports, anywhere in it."""
    names = {name for name, _ in modules()}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in names)
        elif isinstance(node, ast.ImportFrom) and node.module in names:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in names else node.module


def allowed(importer, imported):
    """Say whether one module may import another: its own room, or a lower one."""
    if imported == "autograder" or importer == imported:
        return True
    return ROOMS.index(room_of(importer)) <= ROOMS.index(room_of(imported))


def test_every_module_has_a_room_and_every_room_a_module():
    found = {room_of(name) for name, _ in modules() if name != "autograder"}
    assert found == set(ROOMS)


@pytest.mark.parametrize(
    ("importer", "imported", "fine"),
    [
        ("autograder.grading.grader", "autograder.sandbox.process", True),
        ("autograder.sandbox.zygote", "autograder.sandbox.inside.isolation", True),
        ("autograder.sandbox.process", "autograder.grading.grader", False),
        ("autograder.check", "autograder.course.folder", False),
        ("autograder.checking.judge", "autograder.expectations", False),
    ],
)
def test_the_order_says_what_may_be_imported(importer, imported, fine):
    assert allowed(importer, imported) == fine


def test_rooms_import_only_what_stands_below():
    wrong = [
        f"{path.relative_to(ROOT)} imports {imported}, which is above it"
        for name, path in modules()
        if name != "autograder"
        for imported in imports_of(path)
        if not allowed(name, imported)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("rooms", "who"), [(INSIDE, "a sandbox"), (HANDED_OUT, "the kit")])
def test_what_is_handed_out_needs_nothing_else(rooms, who):
    lazily = {"misconceptions"}  # read where the full package is, never in a kit
    wrong = [
        f"{path.relative_to(ROOT)} imports {imported}, which {who} does not hold"
        for name, path in modules()
        if room_of(name) in rooms
        for imported in imports_of(path)
        if imported != "autograder" and room_of(imported) not in (*rooms, *lazily)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_modules_import_each_other_in_a_circle():
    graph = {name: set(imports_of(path)) - {name} for name, path in modules()}
    while leaves := [name for name, needed in graph.items() if not needed]:
        for name in leaves:
            del graph[name]
        for needed in graph.values():
            needed -= set(leaves)
    assert not graph, f"in a circle, or on the way to one: {', '.join(sorted(graph))}"
