"""Concept files that somebody else has made, or damaged."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from persam.concept import Concept
from persam.errors import InputError
from persam.io.concept_file import read_concept
from persam.methods.persam import personalize
from persam.models.stored_model import load_stored_model


@pytest.fixture(scope="module")
def stored(tiny, tmp_path_factory) -> Path:
    image = np.random.default_rng(0).integers(0, 255, (40, 52, 3), dtype=np.uint8)
    mask = np.zeros((40, 52), dtype=bool)
    mask[8:30, 10:40] = True
    path = tmp_path_factory.mktemp("concept") / "c.safetensors"
    personalize(tiny("pocket"), image, mask=mask).save(path)
    return path


def changed(stored: Path, target: Path, header: dict[str, str], **arrays: Any) -> Path:
    with safe_open(stored, framework="np") as file:
        metadata = dict(file.metadata()) | header
        del metadata["sha256"]  # else the change alone would be told of
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file({**tensors, **arrays}, target, metadata)
    return target


NESTED = "[" * 3000 + "]" * 3000
STRANGE = ["NaN", "1e400", NESTED, "[1]", "{}", '"x"', '"a\\u0000b"', "null", "", "true", "[[1,2]]"]


@pytest.mark.parametrize(
    "key", ["model", "method", "variant", "weights", "calibration", "references", "negatives"]
)
@pytest.mark.parametrize("value", STRANGE)
def test_strange_words_are_one_error(stored, tmp_path, key, value):
    path = changed(stored, tmp_path / "c.safetensors", {key: value})
    try:
        read_concept(path)
    except InputError as error:
        assert str(path) in str(error) or "variant" in str(error)
    else:
        assert value == "null" and key in ("weights", "calibration")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_damaged_bytes_are_one_error(stored, tmp_path, data):
    content = bytearray(stored.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, min(3000, len(content) - 1)))] = data.draw(
            st.integers(0, 255)
        )
    path = tmp_path / "c.safetensors"
    path.write_bytes(bytes(content))
    with suppress(InputError):
        read_concept(path)


def test_arrays_of_several_widths_or_types_are_refused_at_loading(stored, tmp_path):
    path = tmp_path / "c.safetensors"
    name = "references.0.background"
    for array in (np.zeros((3, 7), np.float32), np.zeros((3, 0), np.float32)):
        changed(stored, path, {}, **{name: array, "references.1.background": np.ones((2, 5), "f4")})
        with pytest.raises(InputError, match="numbers wide"):
            read_concept(path)
    with pytest.raises(InputError, match="float64"):
        read_concept(changed(stored, path, {}, **{name: np.zeros((3, 7))}))


@pytest.mark.parametrize("model", ["evil/repo", "evil/repo@main", "~nobody-here/x", "x" * 300])
def test_no_model_is_fetched_that_only_a_file_names(stored, tmp_path, model, monkeypatch):
    def fetch(*_: Any, **__: Any) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setattr("persam.models.hub.fetch_repository", fetch)
    for spec in ({"name": model}, {"name": "pocket", "match_with": model}):
        path = changed(stored, tmp_path / "c.safetensors", {"model": json.dumps(spec)})
        with pytest.raises(InputError, match="neither in the catalogue"):
            load_stored_model(path)


def test_the_same_concept_is_the_same_bytes(stored, tiny, tmp_path):
    concept = Concept.load(stored, tiny("pocket"))
    for number in range(5):
        concept.save(tmp_path / f"{number}.safetensors")
        assert (tmp_path / f"{number}.safetensors").read_bytes() == stored.read_bytes()


def test_a_pipe_is_no_concept(tmp_path):
    os.mkfifo(tmp_path / "c.safetensors")
    with pytest.raises(InputError, match="is not a file"):
        read_concept(tmp_path / "c.safetensors")


def test_a_file_that_is_no_concept_is_not_replaced(stored, tiny, tmp_path):
    concept = Concept.load(stored, tiny("pocket"))
    model = tmp_path / "model.safetensors"
    save_file({"weights": np.zeros(3, np.float32)}, model)
    before = model.read_bytes()
    with pytest.raises(InputError, match="would be replaced, and is no concept"):
        concept.save(model)
    assert model.read_bytes() == before
