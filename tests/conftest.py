"""Tiny real models for every test: nothing is downloaded, nothing is mocked."""

from __future__ import annotations

import functools
import gc
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# Before huggingface_hub is imported: no test may reach for the network.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# What is compared with the official code, or with stored answers, computes alike on every machine.
os.environ.setdefault("PERSAM_ENGINE", "torch")
os.environ.setdefault("PERSAM_PRECISION", "fp32")

# One thread for each worker, of engines and compiled loops, too.
os.environ["OMP_NUM_THREADS"] = os.environ["NUMBA_NUM_THREADS"] = "1"

import drawings

# Networks are converted once for all tests of a session, whoever of the workers comes first.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["PERSAM_CACHE"] = tempfile.mkdtemp(prefix="persam-tests-")

import numpy as np
import parity
import tiny as tiny_models
import torch
import typer.testing
from hypothesis import HealthCheck, settings
from remembered_answers import remember_answers

from persam.models import loading
from persam.models.sam import SamBackbone
from persam.models.weights import load_sam

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from persam.models.runtime.choice import RuntimeChoice

# A slow machine is no failure of what is tested.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

torch.set_num_threads(1)

# What is tested outlives a process, not a power cut; waiting for the disk would prove nothing.
os.fsync = lambda _: None

# The tree of all commands is built once, not at every call of one.
typer.testing._get_command = functools.cache(typer.testing._get_command)


# The files that take longest begin first, so that no worker is left with one alone. What the first
# converts, others further down take as it is.
LONGEST = (
    "models/runtime/test_export.py",
    "test_light.py",
    "integrations/test_integrations_ray.py",
    "benchmarks/test_bench.py",
    "album/test_loop.py",
    "models/runtime/test_converted_decoder.py",
    "test_threads.py",
    "video/test_tracking.py",
    "app/test_app_routes.py",
    "training/test_stable_training.py",
    "training/test_pocket_training.py",
    "dreambooth/test_dreambooth_training.py",
    "models/runtime/test_runtime.py",
    "docs/test_docs_readme.py",
    "cli/test_cli_foreign_files.py",
    "album/test_previous_runs.py",
    "docs/test_docs_many.py",
    "cli/test_cli_story.py",
    "benchmarks/test_kills.py",
    "album/test_index.py",
    "album/test_killed_anywhere.py",
    "album/test_merge.py",
    "cli/test_cli_segment.py",
    "cli/test_cli_find.py",
    "docs/test_docs_engines.py",
    "docs/test_notebooks.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the longest files to the front."""
    tests = Path(__file__).parent
    places = {tests / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish() -> None:
    """Spare the collector of garbage what stays to the end: modules, and four thousand tests."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)  # converting a network makes millions of objects that stay


def pytest_unconfigure() -> None:
    """Drop what the session converted, when all workers are done."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        shutil.rmtree(os.environ["PERSAM_CACHE"], ignore_errors=True)


_load_as_asked = loading._load_pocket
_ENGINE = os.environ["PERSAM_ENGINE"]


def _load_as_users(device: str, asked: RuntimeChoice) -> Any:
    """The built-in model runs as its users have it, by ONNX Runtime, where no test says more.

    Hundreds of tests show it the same few pictures, each of which it works out once.
    """
    if asked.engine != "auto" or os.environ.get("PERSAM_ENGINE") != _ENGINE:
        return _load_as_asked(device, asked)
    backbone = _load_as_asked(device, replace(asked, engine="onnx"))
    remember_answers(getattr(backbone, "encoder", None))
    return backbone


loading._load_pocket = _load_as_users


@functools.cache
def _loaded(device: str, asked: RuntimeChoice) -> Any:
    return _load_as_users(device, asked)


@pytest.fixture
def built_in_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The built-in model is loaded as the package loads it."""
    monkeypatch.setattr(loading, "_load_pocket", _load_as_asked)


@pytest.fixture(scope="module")
def built_in_loaded_once() -> Iterator[None]:
    """All commands share the built-in model, one for every way to run it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "_load_pocket", _loaded)
        yield


@pytest.fixture(scope="session")
def parity_sam() -> SamBackbone:
    """The official-layout ViT SAM that the parity fixtures were made with."""
    return SamBackbone("parity", load_sam(parity.state("vit")))


@pytest.fixture(scope="session")
def tiny() -> Callable[[str], Any]:
    """Give the tiny random backbone of a family, built once; skip where its extra is missing."""
    built: dict[str, Any] = {}

    def get(family: str = "sam") -> Any:
        if reason := tiny_models.missing(family):
            pytest.skip(reason)
        if family not in built:
            built[family] = tiny_models.build(family)
        return built[family]

    return get


@pytest.fixture(params=tiny_models.FAMILIES)
def backbone(request: pytest.FixtureRequest, tiny: Callable[[str], Any]) -> Any:
    """Every family in turn."""
    return tiny(request.param)


@pytest.fixture(scope="session")
def tiny_sam_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny SAM as ``save_pretrained`` writes it, for whoever loads by path."""
    folder = tmp_path_factory.mktemp("tiny-sam")
    tiny_models.build("sam").model.save_pretrained(folder)
    return folder


@pytest.fixture
def random_image() -> np.ndarray:
    """A picture of noise, wider than high, ``(40, 52, 3)`` uint8."""
    return np.random.RandomState(3).randint(0, 256, (40, 52, 3), dtype=np.uint8)


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """A PerSeg folder of dog_1, dog_2 and mug_1, three photos each."""
    drawings.draw(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def built_in() -> Any:
    """The built-in model, on the CPU."""
    from persam.models.loading import load

    return load("pocket", device="cpu")


@pytest.fixture(scope="session")
def plush_concepts(tmp_path_factory: pytest.TempPathFactory, built_in: Any) -> Path:
    """A set of concepts of one class, learnt from labels of two sample pictures."""
    import plush

    return plush.concept_set(tmp_path_factory.mktemp("concepts"), built_in)
