from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from drawn_many import sample
from PIL import Image
from typer.testing import CliRunner, Result

from persam.cli import app
from persam.cli.concept_args import ConceptArgs
from persam.errors import InputError
from persam.methods.persam import personalize
from persam.models.loading import load


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two concepts of the built-in model, and a photo of both objects."""
    folder = tmp_path_factory.mktemp("many")
    pocket = load("pocket", device="cpu")
    image, mask = sample(0)
    personalize(pocket, image, mask=mask).save(folder / "dog.safetensors")
    both, _ = sample(4)
    personalize(pocket, both, box=(20, 150, 200, 400)).save(folder / "bear.safetensors")
    (folder / "photos").mkdir()
    Image.fromarray(both).save(folder / "photos" / "both.png")
    return folder


def test_several_concepts_make_one_indexed_mask(folder: Path, tmp_path: Path) -> None:
    dog, bear = folder / "dog.safetensors", folder / "bear.safetensors"
    words = ["--concept", dog, "--concept", f"teddy={bear}", "--device", "cpu"]
    result = run("segment", folder / "photos", *words, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    assert [(line["label"], line["object"]) for line in lines] == [(1, "dog"), (2, "teddy")]
    with Image.open(tmp_path / "both.png") as image:
        assert image.mode == "P"
        assert set(np.unique(np.array(image)).tolist()) <= {0, 1, 2}
    assert "1 photo skipped" in run("segment", folder / "photos", *words, "--out", tmp_path).output


def test_instances_of_one_concept(folder: Path, tmp_path: Path) -> None:
    words = ["--concept", folder / "dog.safetensors", "--instances", "--device", "cpu"]
    result = run("segment", folder / "photos", *words, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    assert [line["label"] for line in lines] == list(range(1, len(lines) + 1))
    more = [*words, "--concept", folder / "bear.safetensors"]
    refused = run("segment", folder / "photos", *more, "--out", tmp_path / "other")
    assert refused.exit_code == 2
    assert "Instances are told apart of one object" in refused.output
    assert not (tmp_path / "other").exists()


def test_names_are_the_files_or_given(tmp_path: Path) -> None:
    odd = tmp_path / "a=b.safetensors"
    odd.write_bytes(b"")
    stored = ConceptArgs.of(["x/dog.safetensors", "mine=y/dog.safetensors", str(odd)])
    assert stored.several
    assert stored.named == {
        "dog": Path("x/dog.safetensors"), "mine": Path("y/dog.safetensors"), "a=b": odd
    }  # fmt: skip
    assert not ConceptArgs.of([str(odd)]).several
    assert ConceptArgs.of([f"one={odd}"]).several
    with pytest.raises(InputError, match=r"Two objects are called 'dog'.*--concept mine=y/dog"):
        ConceptArgs.of(["x/dog.safetensors", "y/dog.safetensors"])
