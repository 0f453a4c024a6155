"""The repository itself: its environments agree, its commands exist, its words are kept."""

import ast
import importlib.metadata
import inspect
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest
import yaml
from all_lessons import all_lessons
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typer.main import get_command

import cs231n_lib
from autograder.cli import EXTRAS, app
from autograder.exercises import all_exercises

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT, BUILD = PYPROJECT["project"], PYPROJECT["build-system"]
PACKAGES = ("autograder", "cs231n_lib")
GUIDES = ("README.md", "CONTRIBUTING.md")

# The house as DESIGN has it. A new entry needs a reason in the same commit.
TOP_LEVEL = {
    *("autograder", "benchmarks", "cs231n_lib", "docs", "notebooks", "tests"),
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "Makefile"),
    *("pyproject.toml", "requirements.txt", "environment.yml", ".python-version"),
    *("MANIFEST.in", "setup.py"),  # the lessons go into the wheel
    *(".ci", ".github", ".gitattributes", ".gitignore", ".pre-commit-config.yaml"),
}


def tracked_files():
    """Return the files under version control, relative to the root; without git, all of them."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        paths = [Path(name) for name in listed.stdout.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        roots = [ROOT / name for name in TOP_LEVEL]
        found = chain(*([root, *root.rglob("*")] for root in roots))
        paths = [path.relative_to(ROOT) for path in found if "__pycache__" not in path.parts]
    return [path for path in paths if (ROOT / path).is_file()]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


# ---------------------------------------------------------------------------------- environments


def pins(lines):
    """Return {canonical name: version} of lines such as `numpy==2.4.6`."""
    requirements = [Requirement(line) for line in lines]
    return {canonicalize_name(r.name): str(r.specifier).removeprefix("==") for r in requirements}


def locked_lines():
    return [line for line in read("requirements.txt").splitlines() if not line.startswith("#")]


def direct_requirements():
    """Return what the course and its tests ask for, as pyproject.toml says."""
    extras = PROJECT["optional-dependencies"]
    asked = [Requirement(line) for line in PROJECT["dependencies"] + extras["test"]]
    own = [requirement for requirement in asked if requirement.name == PROJECT["name"]]
    named = [Requirement(line) for r in own for extra in sorted(r.extras) for line in extras[extra]]
    return [requirement for requirement in asked if requirement not in own] + named


def disagreements(requirements, locked, conda, conda_python, python):
    """Return one line for each way in which the three environment files disagree."""
    if conda_python != python:
        yield f"environment.yml has python {conda_python}, .python-version {python}"
    direct = {canonicalize_name(requirement.name): requirement for requirement in requirements}
    for name, requirement in direct.items():
        if name not in locked:
            yield f"{name}: in pyproject.toml, not in requirements.txt (run: make lock)"
        elif not requirement.specifier.contains(locked[name]):
            yield f"{name}: requirements.txt has {locked[name]}, pyproject.toml asks {requirement}"
        if name not in conda:
            yield f"{name}: in pyproject.toml, not in environment.yml"
    for name, version in conda.items():
        if name not in direct:
            yield f"{name}: in environment.yml, not in pyproject.toml"
        elif version != locked.get(name):
            yield f"{name}: environment.yml has {version}, requirements.txt {locked.get(name)}"


def conda_environment():
    """Return the pins and the Python of environment.yml."""
    packages = yaml.safe_load(read("environment.yml"))["dependencies"]
    lines = next(entry["pip"] for entry in packages if isinstance(entry, dict))
    python = next(entry for entry in packages if str(entry).startswith("python="))
    return pins(line for line in lines if not line.startswith("--")), python.removeprefix("python=")


def test_environment_files_agree():
    conda, conda_python = conda_environment()
    locked = pins(locked_lines())
    python = read(".python-version").strip()
    found = list(disagreements(direct_requirements(), locked, conda, conda_python, python))
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("locked", "conda", "conda_python", "says"),
    [
        ({"numpy": "2.1"}, {"numpy": "2.1"}, "3.11", None),
        ({}, {"numpy": "2.1"}, "3.11", "not in requirements.txt"),
        ({"numpy": "1.26"}, {"numpy": "1.26"}, "3.11", "pyproject.toml asks numpy>=2"),
        ({"numpy": "2.1"}, {}, "3.11", "not in environment.yml"),
        ({"numpy": "2.1"}, {"numpy": "2.0"}, "3.11", "has 2.0, requirements.txt 2.1"),
        ({"numpy": "2.1"}, {"numpy": "2.1", "jax": "1"}, "3.11", "not in pyproject.toml"),
        ({"numpy": "2.1"}, {"numpy": "2.1"}, "3.12", "has python 3.12"),
    ],
)
def test_a_disagreement_is_found(locked, conda, conda_python, says):
    found = "\n".join(disagreements([Requirement("numpy>=2")], locked, conda, conda_python, "3.11"))
    assert (says in found) if says else not found


def test_environment_yml_brings_the_locked_packages_too():
    packages = yaml.safe_load(read("environment.yml"))["dependencies"]
    lines = next(entry["pip"] for entry in packages if isinstance(entry, dict))
    assert "--requirement requirements.txt" in lines


@pytest.mark.parametrize("line", locked_lines())
def test_each_pin_is_exact_and_fits_every_machine(line):
    assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line), (
        f"requirements.txt: {line!r} must be NAME==VERSION, without a build tag, address or hash"
    )


def test_pins_are_sorted_and_unique():
    names = [line.split("==")[0] for line in locked_lines()]
    assert len(names) > 100
    assert len({canonicalize_name(name) for name in names}) == len(names)
    assert locked_lines() == sorted(locked_lines(), key=lambda line: (line.upper(), line))


def test_the_lock_is_for_cpu_and_gpu_alike():
    assert not [line for line in locked_lines() if line.startswith(("nvidia", "triton", "cuda"))]


def test_python_version_is_one_that_the_project_allows():
    python = read(".python-version").strip()
    assert PROJECT["requires-python"] == f">={python}"


def imported_packages():
    """Return the third-party top-level modules that the project's code imports."""
    files = [path for path in tracked_files() if path.suffix == ".py" and path.parts[0] != "docs"]
    beside = [path for path in files if path.parts[0] in ("tests", "benchmarks")]
    own = {*PACKAGES, *(path.stem for path in beside), *(path.parts[1] for path in beside)}
    names = set()
    for path in files:
        for node in ast.walk(ast.parse(read(path))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add(node.module.split(".")[0])
    return names - own - sys.stdlib_module_names


def test_every_import_is_a_declared_dependency():
    lines = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    declared = {canonicalize_name(Requirement(line).name) for line in chain(*lines)}
    declared |= {"ipykernel", "ipywidgets", "jupyterlab", "notebook"}  # these are `jupyter`
    declared |= {Requirement(line).name for line in BUILD["requires"]}
    providers = importlib.metadata.packages_distributions()
    undeclared = {
        name
        for name in imported_packages()
        if not declared & {canonicalize_name(p) for p in providers.get(name, [name])}
    }
    assert not undeclared, f"add to pyproject.toml and run `make lock`: {sorted(undeclared)}"


def test_what_the_command_line_says_of_extras_is_what_they_bring():
    """A module that is missing without an extra is named with that extra, and no other."""
    providers = importlib.metadata.packages_distributions()
    for extra, modules in EXTRAS.items():
        asked = [Requirement(line) for line in PROJECT["optional-dependencies"][extra]]
        brought = {canonicalize_name(r.name) for r in asked}.union(*(r.extras for r in asked))
        for module in modules:
            names = {canonicalize_name(name) for name in providers[module]}
            assert brought & names, f"{module} does not come with [{extra}]"


# ---------------------------------------------------------------------------------- commands


def make_targets():
    return set(re.findall(r"^\.PHONY: ([a-z0-9-]+)$", read("Makefile"), flags=re.MULTILINE))


def code_in(guide):
    """Return the fenced and inline code of a Markdown file."""
    text = read(guide)
    fenced = re.findall(r"^```.*?^```", text, flags=re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [*fenced, *re.findall(r"`[^`\n]+`", rest)]


def commands_in(guide, program):
    """Return the sub-commands of `program` that a guide tells its reader to type."""
    spoken = "\n".join(code_in(guide))
    return set(re.findall(rf"(?:^|[`$ ]){program} ([a-z][a-z0-9-]*)", spoken, flags=re.MULTILINE))


@pytest.mark.parametrize("guide", GUIDES)
def test_make_targets_in_the_guides_exist(guide):
    named = commands_in(guide, "make")
    assert named
    assert named <= make_targets()


@pytest.mark.parametrize("guide", GUIDES)
def test_autograder_commands_in_the_guides_exist(guide):
    assert commands_in(guide, "autograder") <= set(get_command(app).commands)


def test_autograder_commands_in_the_makefile_exist():
    named = set(re.findall(r"-m autograder ([a-z0-9-]+)", read("Makefile")))
    assert {"build", "demo"} <= named <= set(get_command(app).commands)


def test_every_make_target_says_what_it_does():
    helped = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    described = set(re.findall(r"^make ([a-z0-9-]+) +\S", helped.stdout, flags=re.MULTILINE))
    assert described == make_targets()


def test_the_readme_lists_every_lesson_with_its_minutes():
    row = r"^\| \[(\d\d) (.+?)\]\(notebooks/student/(.+?)\.ipynb\).*\| (\d+), (\d+) \|$"
    listed = re.findall(row, read("README.md"), flags=re.MULTILINE)
    assert listed == [
        (lesson.number, lesson.title, lesson.name, *map(str, lesson.minutes))
        for lesson in all_lessons()
    ]


def test_continuous_integration_runs_the_test_command_of_the_readme():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = script.read_text().splitlines()
    assert lines[0].endswith("bash")
    assert "make test" in "\n".join(code_in("README.md"))


@pytest.mark.parametrize(("step", "status"), [("true", 0), ("false", 2)])
def test_continuous_integration_fails_when_a_step_fails(tmp_path, step, status):
    script = tmp_path / ".ci" / "run"
    script.parent.mkdir()
    script.write_text(read(".ci/run"))
    (tmp_path / "Makefile").write_text(f"test-all:\n\t{step}\n")
    assert subprocess.run(["bash", script], capture_output=True).returncode == status


def test_the_workflow_runs_only_make_targets():
    workflow = yaml.safe_load(read(".github/workflows/ci.yml"))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    commands = [step["run"] for step in steps if "run" in step]
    targets = {
        re.fullmatch(r"make ([a-z0-9-]+)(?: [A-Z_]+=\S+)*", command)[1] for command in commands
    }
    assert {"test-all"} <= targets <= make_targets()


def test_make_says_which_python_it_found_and_what_to_do(tmp_path):
    """With no Python but an old one, `make venv` stops with one clear message."""
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\necho 'is Python 3.9.1' >&2\nexit 1\n")
    old.chmod(0o755)
    (tmp_path / "Makefile").write_text(read("Makefile"))
    for name in ("requirements.txt", "pyproject.toml"):
        (tmp_path / name).touch()
    asked = subprocess.run(
        ["make", "venv", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True
    )
    assert asked.returncode != 0
    assert "needs Python 3.11 or newer" in asked.stderr
    assert f"{old} is Python 3.9.1" in asked.stderr
    assert "make venv PYTHON=" in asked.stderr
    assert not (tmp_path / ".venv").exists()


def test_the_guide_to_a_new_exercise_names_files_that_every_family_has():
    guide = read("CONTRIBUTING.md").partition("## Add an exercise\n")[2].partition("\n## ")[0]
    paths = re.findall(r"`([a-z_0-9<>]+(?:/[\w<>]+)+(?:\.py)?)`", guide)
    assert sum("<family>" in path for path in paths) >= 4
    families = {exercise.family for exercise in all_exercises()}
    for name in {path.replace("<family>", family) for path in paths for family in families}:
        path = ROOT / name
        either = (path, path.with_suffix(".py"), path.with_name("shared.py"))
        assert any(place.exists() for place in either), name


# ---------------------------------------------------------------------------------- files


def test_nothing_unexpected_at_the_top_level():
    assert {path.parts[0] for path in tracked_files()} <= TOP_LEVEL


def text_files():
    return [
        path
        for path in tracked_files()
        if path.suffix
        in {".py", ".toml", ".txt", ".yml", ".yaml", ".md", ".ipynb", ".html", ".css"}
        or path.name in {"Makefile", "run"}
    ]


@pytest.mark.parametrize(
    ("pattern", "meaning"),
    [
        (r"\b(?:TO[D]O|FIX[M]E|X[X]X)\b", "a mark of unfinished work"),
        (r"/(?:work|Users|root|home/[a-z])/", "a path of somebody's machine"),
        (r"^(?:<{7} |>{7} )", "a mark of an unresolved merge"),
        (r"#\s+type: ignore(?!\[[a-z-]+\]  # \S)|#\s+mypy:", "a type unchecked without a reason"),
    ],
)
def test_text_holds_no(pattern, meaning):
    found = [
        f"{path}:{number}: {line.strip()}"
        for path in text_files()
        for number, line in enumerate(read(path).splitlines(), start=1)
        if re.search(pattern, line)
    ]
    assert not found, f"{meaning}:\n" + "\n".join(found)


@pytest.mark.parametrize("guide", GUIDES)
def test_relative_links_resolve(guide):
    text = read(guide)
    targets = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'(?:src|href)="([^"#]+)"', text)
    local = [target for target in targets if "://" not in target]
    assert local
    missing = [target for target in local if not (ROOT / guide).parent.joinpath(target).exists()]
    assert not missing


# ---------------------------------------------------------------------------------- library


def library_modules():
    found = pkgutil.walk_packages(cs231n_lib.__path__, "cs231n_lib.")
    return ["cs231n_lib", *sorted(module.name for module in found)]


@pytest.mark.parametrize("name", library_modules())
def test_public_names_have_a_docstring_with_a_first_sentence(name):
    module = importlib.import_module(name)
    public = {
        attribute: value
        for attribute, value in vars(module).items()
        if not attribute.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == name
    }
    silent = [n for n, value in [("", module), *public.items()] if not _first_sentence(value)]
    assert not silent, f"{name}: no first sentence in the docstring of {silent}"


def _first_sentence(value):
    paragraph = inspect.cleandoc(value.__doc__ or "").split("\n\n")[0]
    return re.match(r"\S.*[.?](?:\s|$)", paragraph, flags=re.DOTALL)


def test_the_library_imports_without_a_warning():
    """In a fresh interpreter; only there are its modules sure to be imported anew."""
    third_party = "numpy, torch, matplotlib.pyplot, sklearn.datasets, skimage, scipy, pooch, tqdm"
    names = ", ".join(library_modules())
    code = f"import {third_party}, warnings\nwarnings.simplefilter('error')\nimport {names}"
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert imported.returncode == 0, imported.stderr
    assert imported.stderr == ""
