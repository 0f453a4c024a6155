"""The lessons as a web page that needs no installation: JupyterLite with the student kit.

The NumPy halves run in the browser, under Pyodide, with the checks, hints and notebooks of the
kit. All that a reader loads lies in one folder: no other host is asked for anything.
"""

import argparse
import base64
import hashlib
import html
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from autograder import exercises, expectations
from autograder.answers import ROOT
from autograder.lessons.build import notebook_text, student_notebook
from autograder.lessons.compiled import TIME
from autograder.lessons.lesson import all_lessons
from autograder.lessons.packages import copy_packages

__all__ = ["PageError", "needed", "wheel", "write_page"]

PYODIDE = "https://cdn.jsdelivr.net/pyodide/v0.27.7/full"
CORE = ("pyodide.js", "pyodide.mjs", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip")
IMPORTED = ("matplotlib", "numpy", "pillow", "threadpoolctl")  # by the NumPy halves
KERNEL = ("ipython", "micropip", "sqlite3")  # by the kernel
# Asked for by the kernel or by matplotlib, which do without: 6 MB that no lesson uses.
LEFT_OUT = ("fonttools", "jedi", "matplotlib-pyodide", "pytz", "ssl")
# Of the others no lesson uses fonts for PDF, rare fonts, samples, types, time zones, text in
# photographs, and the colours of languages other than Python.
RARE_FONTS = r"STIX|DejaVuSerif|DejaVuSansMono-|DejaVuSans-BoldOblique"
SPARED = re.compile(
    rf"matplotlib/(mpl-data/(fonts/(afm|pdfcorefonts|ttf/({RARE_FONTS}))|sample_data|images))"
    r"|matplotlib/testing/|numpy/f2py/|PIL/_(imagingft|webp)\."
    r"|dateutil/zoneinfo/.*\.gz$|pygments/lexers/(?!__init__|_mapping|python|special)|.*\.pyi$"
)
OURS = ("comm", "tqdm", "cs231n-lecture7-kit")  # not in Pyodide's release
LITE = ("ipykernel", "piplite", "pyodide_kernel")  # of the kernel, which else installs each alone
LOADED = [*IMPORTED, *KERNEL, *LITE, *LEFT_OUT, *OURS]
LITE_WHEELS = "share/jupyter/labextensions/@jupyterlite/pyodide-kernel-extension/static/pypi"
SOURCES = ROOT / "docs" / "try"
SCRIPTS = ("course.js", "python.js")
APP_MEGABYTES = 2  # JupyterLite itself, packed


class PageError(ValueError):
    """The page cannot be built; says what is missing, and what to do."""


def write_page(out: Path, runtime: str, wheels: Path, jupyter: Path, python: str = "") -> int:
    """Write the page to the folder `out`, which is replaced; return its bytes.

    Args:
        runtime: a folder or an address that holds a release of Pyodide.
        wheels: a folder with the wheels of docs/try/in_the_page.txt.
        jupyter: the program `jupyter` of an environment with docs/try/requirements.txt.
        python: a Python of Pyodide's version, which compiles all modules; "" for none, and the
            browser does it at every opening.

    Raises PageError when a file of the runtime or a wheel is not there, or `python` does not fit.
    """
    with tempfile.TemporaryDirectory(prefix="page-") as scratch:
        lite, lessons = Path(scratch), all_lessons()
        texts = {f"{one.name}.ipynb": notebook_text(student_notebook(one)) for one in lessons}
        kit = _write_kit(lite / "kit", texts)
        empty = [wheel(name, "0", {}, lite) for name in LEFT_OUT]
        kernel = jupyter.parent.parent / LITE_WHEELS
        ours = [kit, *empty, *_found(wheels, OURS[:-1]), *_found(kernel, LITE)]
        build = _copy_runtime(lite / "static" / "pyodide", runtime, ours, python)
        _write_files(lite / "files", texts)
        _write_json(lite / "jupyter-lite.json", _settings())
        options = ["--no-sourcemaps", "--no-unused-shared-packages", "--apps", "notebooks"]
        folders: list[str | Path] = [
            "--lite-dir",
            lite,
            "--contents",
            lite / "files",
            "--output-dir",
            lite / "page",
        ]
        subprocess.run([jupyter, "lite", "build", *options, *folders], cwd=lite, check=True)
        _add_ours(lite / "page", build, lessons)
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(lite / "page", out)
    return sum(path.stat().st_size for path in out.rglob("*") if path.is_file())


# ---------------------------------------------------------------------------------- the kit


def _write_kit(folder, notebooks):
    """Write the packages with what NumPy exercises expect, as one wheel; return its path."""
    copy_packages(folder)
    _write_files(folder / "autograder" / "notebooks" / "student", notebooks)  # for progress()
    in_numpy = [e for e in exercises.all_exercises() if e.framework != "torch"]
    expectations.record(in_numpy, folder / "autograder" / "recordings")
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    digest = hashlib.sha256(b"".join(name.encode() + files[name] for name in files))
    return wheel("cs231n-lecture7-kit", f"0+{digest.hexdigest()[:12]}", files, folder.parent)


def _write_files(folder, texts):
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def wheel(name: str, version: str, files: Mapping[str, bytes], folder: Path) -> Path:
    """Write files of pure Python as a wheel into `folder`; return its path.

    >>> import tempfile
    >>> wheel("a-kit", "1", {"a.py": b"x = 1"}, Path(tempfile.mkdtemp())).name
    'a_kit-1-py3-none-any.whl'
    """
    stem = f"{_file_name(name)}-{version}"
    about = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    inside = {**files, **{f"{stem}.dist-info/{k}": v.encode() for k, v in about.items()}}
    lines = [f"{path},sha256={_record(data)},{len(data)}" for path, data in inside.items()]
    lines.append(f"{stem}.dist-info/RECORD,,")
    inside[f"{stem}.dist-info/RECORD"] = "".join(f"{line}\n" for line in lines).encode()
    written = folder / f"{stem}-py3-none-any.whl"
    _write_archive(written, inside)
    return written


def _record(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _found(wheels, names):
    found = {path.name.partition("-")[0]: path for path in sorted(wheels.glob("*.whl"))}
    for name in names:
        if name not in found:
            raise PageError(f"no wheel of {name} in {wheels}: run `make try`, which fetches it")
    return [found[name] for name in names]


# ---------------------------------------------------------------------------------- the runtime


def _copy_runtime(folder, runtime, wheels, python=""):
    """Copy what the lessons need of Pyodide, and our wheels; return a digest of all of it."""
    folder.mkdir(parents=True)
    lock = json.loads(_read(runtime, "pyodide-lock.json"))
    if python:
        _require_version(python, lock["info"]["python"])
    packages = {name: lock["packages"][name] for name in needed(lock["packages"])}
    for name in CORE:
        (folder / name).write_bytes(_read(runtime, name))
    for package in packages.values():
        data = _read(runtime, package["file_name"])
        if hashlib.sha256(data).hexdigest() != package["sha256"]:
            raise PageError(f"{package['file_name']} of {runtime} is damaged: fetch it again")
        (folder / package["file_name"]).write_bytes(_spared(data))
    for path in wheels:
        shutil.copyfile(path, folder / path.name)
        packages[_entry(path)["name"]] = _entry(path)
    if python:
        _compile(folder, python)
    for package in packages.values():
        package["sha256"] = _sha256(folder / package["file_name"])
    lock["packages"] = packages
    text = json.dumps(lock, sort_keys=True)
    (folder / "pyodide-lock.json").write_text(text, encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _spared(data):
    """Return an archive without the files that no lesson uses."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {info.filename: archive.read(info) for info in archive.infolist()}
    kept = {name: content for name, content in files.items() if not SPARED.match(name)}
    if kept.keys() == files.keys():
        return data
    out = io.BytesIO()
    _write_archive(out, kept)
    return out.getvalue()


def _write_archive(file, files):
    """Write {name: bytes} as an archive: the same files, the same bytes."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, date_time=TIME)
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)


def _require_version(python, wanted):
    """Raise where a Python is not of the minor version that the page's is."""
    ask = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    found = subprocess.run(ask, capture_output=True, text=True, check=False).stdout.strip()
    if found != wanted.rpartition(".")[0]:
        raise PageError(
            f"modules for Python {wanted} are compiled by that version, and {python} is "
            f"{found or 'none'}: pass another one, or leave it out"
        )


def _compile(folder, python):
    """Compile the modules of all archives in place; the kit keeps its text too."""
    archives = sorted([*folder.glob("*.whl"), *folder.glob("*.zip")])
    kit = [path for path in archives if path.name.startswith(_file_name(OURS[-1]))]
    others = [path for path in archives if path not in kit]
    script = Path(__file__).with_name("compiled.py")
    subprocess.run([python, "-I", script, *others, "--with-sources", *kit], check=True)


def needed(packages: Mapping[str, Mapping], roots: Iterable[str] = IMPORTED + KERNEL) -> list[str]:
    """Return the names of `roots` and of all they depend on, in a lock's entries, sorted.

    What is left out does not count. Raises PageError when the lock has no such package.

    >>> needed({"a": {"depends": ["b"]}, "b": {"depends": []}, "c": {"depends": []}}, ["a"])
    ['a', 'b']
    """
    found, open_ = set(), list(roots)
    while open_:
        name = open_.pop().replace("_", "-")
        if name in LEFT_OUT:
            continue
        if name not in packages:
            raise PageError(f"this release of Pyodide has no {name}; take the one of {PYODIDE}")
        if name not in found:
            found.add(name)
            open_ += packages[name]["depends"]
    return sorted(found)


def _entry(path):
    """Return a wheel's entry in the lock: the kernel loads it when a cell imports it."""
    name, version = path.name.split("-")[:2]
    ours = name == _file_name(OURS[-1])
    return {
        "name": name.replace("_", "-"),
        "version": version,
        "file_name": path.name,
        "install_dir": "site",
        "sha256": _sha256(path),
        "package_type": "package",
        "imports": ["autograder", "cs231n_lib"] if ours else [name],
        "depends": [*IMPORTED, "tqdm"] if ours else [],
        "unvendored_tests": False,
    }


def _file_name(name):
    return name.replace("-", "_")


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read(runtime, name):
    try:
        if "://" in runtime:
            with urllib.request.urlopen(f"{runtime}/{name}", timeout=60) as answer:
                return answer.read()
        return (Path(runtime) / name).read_bytes()
    except (OSError, urllib.error.URLError) as error:
        raise PageError(
            f"{name} of Pyodide is not at {runtime} ({error}): pass PYODIDE=, the folder or the "
            "address of a release"
        ) from error


# ---------------------------------------------------------------------------------- the page


def _settings():
    kernel = {
        "pyodideUrl": "./static/pyodide/pyodide.js",
        "disablePyPIFallback": True,
        "loadPyodideOptions": {"packages": LOADED},
    }
    return {
        "jupyter-lite-schema-version": 0,
        "jupyter-config-data": {
            "appName": "Training neural networks, part 2",
            "enableServiceWorkerCache": "true",
            "exposeAppInBrowser": True,  # course.js saves through it
            "litePluginSettings": {"@jupyterlite/pyodide-kernel-extension:kernel": kernel},
        },
    }


def _add_ours(page, build, lessons):
    """Add the list of lessons, Python's early start, and what looks after copies and old pages."""
    for name in SCRIPTS:
        script = (SOURCES / name).read_text(encoding="utf-8").replace("@BUILD@", build)
        script = script.replace("@PACKAGES@", json.dumps(LOADED))
        (page / name).write_text(script, encoding="utf-8")
    _write_json(page / "api" / "course.json", {"build": build})  # api/ is never kept by the page
    opened = page / "notebooks" / "index.html"
    text = opened.read_text(encoding="utf-8")
    tag = '<script src="../course.js" defer></script>\n  </head>'
    opened.write_text(text.replace("</head>", tag, 1), encoding="utf-8")
    entries = "\n".join(
        f'      <li><a href="notebooks/index.html?path={lesson.name}.ipynb">{lesson.number} '
        f"{html.escape(lesson.title)}</a> <small>{lesson.minutes[0]} min</small></li>"
        for lesson in lessons
    )
    first = round(sum(_packed(path) for path in page.joinpath("static").rglob("*.*")) / 1e6)
    index = (SOURCES / "index.html").read_text(encoding="utf-8")
    index = index.replace("@LESSONS@", entries).replace("@MEGABYTES@", str(first + APP_MEGABYTES))
    (page / "index.html").write_text(index, encoding="utf-8")


def _packed(path):
    """Return the bytes of a file as servers send it; wheels and zips are packed already."""
    data = path.read_bytes() if path.is_file() else b""
    return len(zlib.compress(data)) if path.suffix in (".js", ".wasm", ".json") else len(data)


def _write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--runtime", default=PYODIDE)
    parser.add_argument("--wheels", type=Path, required=True)
    parser.add_argument("--jupyter", type=Path, required=True)
    parser.add_argument("--python", default="", help="of Pyodide's version: compiles the modules")
    chosen = parser.parse_args()
    try:
        jupyter = chosen.jupyter.absolute()
        size = write_page(chosen.out, chosen.runtime, chosen.wheels, jupyter, chosen.python)
    except PageError as error:
        sys.exit(str(error))
    print(f"{chosen.out}: {size / 1e6:.0f} MB; serve it with any static web server")
