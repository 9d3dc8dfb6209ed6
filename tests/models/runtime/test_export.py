"""What is exported and loaded again answers as the model that it was made from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny as tiny_models
import torch
from typer.testing import CliRunner

import persam
from persam import samples
from persam.cli import app
from persam.errors import InputError
from persam.models.dinov2 import MatchedBackbone, Matcher
from persam.models.guided_attention import guided_attention
from persam.models.runtime.choice import missing
from persam.models.runtime.decoder_graph import switched_attention
from persam.models.runtime.export import export
from persam.structures import Guidance, Prompts

POINTS = {"points": np.array([[30, 12], [5, 35]]), "labels": np.array([1, 0])}
FORMS = ("openvino", "onnx")
# All through OpenVINO, which converts in a second or two; through ONNX the one that differs most.
# The built-in model's ONNX networks come with the package and are compared in test_light.py.
PAIRS = [("openvino", family) for family in (*tiny_models.FAMILIES, "pocket")]
PAIRS += [("onnx", "sam_hq")]


def installed(form: str) -> None:
    if absent := missing(form):
        pytest.skip(f"{form} needs {', '.join(absent)}: pip install persam[{form}]")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, tiny: Any) -> Any:
    """Give the folder of an exported tiny model, made once."""
    made: dict[tuple[str, str], Path] = {}

    def get(form: str, family: str) -> Path:
        installed(form)
        if (form, family) not in made:
            folder = tmp_path_factory.mktemp("exported") / family
            export(tiny(family), folder, form=form)
            made[form, family] = folder
        return made[form, family]

    return get


def load(folder: Path, **asked: str) -> Any:
    return persam.load(folder, device="cpu", **asked)


@pytest.mark.parametrize(("form", "family"), PAIRS)
def test_answers_are_the_same(exported, tiny, random_image, form, family):
    model, again = tiny(family), load(exported(form, family), engine=form, precision="fp32")
    assert (again.engine, again.precision) == (form, "fp32")
    for name in ("square", "recipe", "ambiguous", "calibration"):
        assert getattr(again, name) == getattr(model, name)
    mine, yours = model.encode(random_image), again.encode(random_image)
    assert mine.frame == yours.frame
    assert (yours.matching is yours.features) == (mine.matching is mine.features)
    for one, other in zip(
        (mine.matching, *mine.extras), (yours.matching, *yours.extras), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)
    for prompts in asked(mine):
        for guidance in guides(mine):
            for several in (False, True):
                options = {"guidance": guidance, "multimask": several}
                wanted = model.decode(mine, prompts, **options)
                found = again.decode(yours, prompts, **options)
                np.testing.assert_allclose(found.logits, wanted.logits, rtol=1e-3, atol=1e-3)
                np.testing.assert_allclose(found.iou, wanted.iou, rtol=1e-3, atol=1e-3)


def asked(embedding: Any) -> list[Prompts]:
    """Every mix of points, box and mask."""
    side = 4 * embedding.features.shape[-1]
    mask = np.random.default_rng(5).standard_normal((1, side, side), dtype=np.float32)
    box = (4, 6, 40, 33)
    return [Prompts(**POINTS), Prompts(box=box), Prompts(**POINTS, box=box, mask=mask)]


def guides(embedding: Any) -> list[Guidance | None]:
    """Both parts, each alone, and none."""
    _, channels, rows, columns = embedding.features.shape
    random = np.random.default_rng(1)
    guide = random.random((1, 1, 1, rows * columns), dtype=np.float32)
    target = random.standard_normal((1, 1, channels), dtype=np.float32)
    return [None, Guidance(guide, target, 1.5), Guidance(None, target), Guidance(guide)]


def test_the_switch_is_the_guided_attention_or_the_plain_one():
    chance = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, 2, n, 4, generator=chance) for n in (3, 5, 5))
    guide = torch.rand(1, 1, 1, 5, generator=chance)
    for on, plain in ((1.0, guide), (0.0, None)):
        rows = torch.cat([guide, torch.full_like(guide, on)], dim=2)
        found = switched_attention(torch.nn.Identity(), query, key, value, rows, scaling=0.5)
        wanted = guided_attention(torch.nn.Identity(), query, key, value, plain, scaling=0.5)
        assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_the_built_in_model_finds_the_same_masks_when_exported(tmp_path):
    installed("openvino")
    made = CliRunner().invoke(app, ["export", "--out", str(tmp_path / "x"), "--format", "openvino"])
    assert made.exit_code == 0, made.output
    assert "--model" in made.output
    photo, mask = samples.files(samples.PICTURES, 1)
    masks = []
    for backbone in (persam.load(device="cpu"), load(tmp_path / "x", precision="fp32")):
        concept = persam.finetune(backbone, photo, mask=mask)
        scenes = [samples.files(samples.PICTURES, number)[0] for number in (2, 3)]
        masks.append([concept.segment(scene).mask for scene in scenes])
    for mine, yours in zip(*masks, strict=True):
        assert mine.any()
        assert (mine != yours).mean() < 1e-3


def test_eight_bits_are_nearly_the_same(tmp_path, tiny, random_image):
    for form in FORMS:
        installed(form)
        model = tiny("sam_hq")
        export(model, tmp_path / form, form=form, photos=[random_image, random_image[::-1]])
        again = load(tmp_path / form)
        assert again.precision == "int8"
        wanted, found = model.encode(random_image), again.encode(random_image)
        norm = np.linalg.norm
        error = norm(found.features - wanted.features) / norm(wanted.features)
        assert 1e-4 < error < 0.2
        with pytest.raises(InputError, match="rounded to int8"):
            load(tmp_path / form, precision="fp32")


def test_what_cannot_be_exported_is_named(tmp_path, tiny):
    installed("openvino")
    matched = MatchedBackbone(tiny("sam"), Matcher("dino", tiny_models.dinov2_model()))
    with pytest.raises(InputError, match="no plain model"):
        export(matched, tmp_path / "new")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(InputError, match="not empty"):
        export(tiny("sam"), tmp_path / "taken", form="openvino")
    with pytest.raises(InputError, match="onnx or openvino; got 'tflite'"):
        export(tiny("sam"), tmp_path / "new", form="tflite")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["taken"]
    told = CliRunner().invoke(app, ["export", "--out", str(tmp_path / "new"), "--int8"])
    assert told.exit_code == 2
    assert "belong together" in told.output


def test_what_does_not_fit_the_files_is_named(exported):
    folder = exported("openvino", "sam")
    with pytest.raises(InputError, match="exported for openvino, not for torch"):
        load(folder, engine="torch")
    facts = json.loads((folder / "persam.json").read_text())
    other = folder.parent / "other"
    other.mkdir()
    for text, message in (
        (json.dumps(facts | {"version": 99}), "version 99"),
        (json.dumps({"version": 1}), "Export it again"),
        ("half", "does not describe"),
    ):
        (other / "persam.json").write_text(text)
        with pytest.raises(InputError, match=message):
            load(other)


@pytest.mark.parametrize("form", FORMS)
def test_a_full_disk_is_said_and_nothing_is_left(exported, tmp_path, tiny, form):
    installed(form)
    exported(form, "sam_hq")  # so that the conversion is there already
    resource = pytest.importorskip("resource", reason="this system has no such limits")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))  # bytes of any file
    try:
        with pytest.raises(InputError, match=r"new cannot be written: File too large"):
            export(tiny("sam_hq"), tmp_path / "new", form=form)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_a_flipped_bit_in_an_exported_file_is_noticed(exported, tmp_path):
    folder = shutil.copytree(exported("onnx", "sam_hq"), tmp_path / "model")
    file = folder / "encoder.onnx"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(InputError, match=r"encoder\.onnx is damaged or gone"):
        load(folder)
