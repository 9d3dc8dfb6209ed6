# Every target sets up its own environment first: .venv with the versions of requirements.txt.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo app test test-app test-light check fix bench bench-gpu docs fuzz clean

setup: .venv/ready

.venv/ready: requirements.txt pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'persam needs Python 3.11 or newer; run make PYTHON=/path/to/python3.11')"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -c 'import pymatting'  # compiles its loops, once: a minute that no test should wait
	@touch $@

demo: setup ## segment an object in pictures that come with the package
	$(BIN)/persam demo

app: setup ## the page on pictures that come with the package
	$(BIN)/persam app persam/samples/pictures/Images/plush_dog --out persam-demo/app

test-app: setup ## the page in a real browser; pictures the views in docs/app
	@command -v chromium >/dev/null || { echo "The page's tests want a browser: apt-get update && apt-get install -y chromium"; exit 1; }
	PERSAM_SCREENSHOTS=docs/app PERSAM_APP_PHOTOS=500 $(BIN)/python -m pytest tests/app

test: setup ## all tests
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-light: .venv-light/ready ## the built-in model in an environment without torch
	.venv-light/bin/python tests/light.py "$$(mktemp -d)"
	du -sm .venv-light/lib | cut -f1 | sed 's/$$/ MB/'

.venv-light/ready: pyproject.toml
	$(PYTHON) -m venv .venv-light
	.venv-light/bin/python -m pip install --quiet .
	@touch $@

check: setup ## linter, formatter, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

fix: setup ## mend what the linter and formatter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup ## the documentation as a site in site/; every link is checked
	$(BIN)/python tools/site_pages.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

bench: setup ## how fast it is beside a plain loop; DATA= a folder of photos in PerSeg's layout
	GOMP_SPINCOUNT=5000 $(BIN)/python benchmarks/bench.py $(DATA) --json benchmarks/bench.json

bench-gpu: setup ## albums, fit, memory and agreement on a GPU
	$(BIN)/python benchmarks/bench_gpu.py --json benchmarks/gpu.json

fuzz: setup ## 100,000 damaged pictures, EXIF blocks and records; the short version is a test
	cd benchmarks && ../$(BIN)/python -W ignore robustness.py --count 100000 --json robustness.json

clean:
	rm -rf .venv .venv-light build dist
