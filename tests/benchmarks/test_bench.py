"""The speed benchmarks: what they hold persam against is right, and both run from end to end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import persam
from persam import samples
from persam.pipeline.reference import Reference, encode_reference

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
Script = Callable[[str], ModuleType]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Import a benchmark script, which finds the others beside it."""
    import importlib

    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


@pytest.fixture(params=["vit-tiny", "mobile-tiny", "pocket"])
def model(request: pytest.FixtureRequest, script: Script, tmp_path: Path) -> Any:
    """What persam.load takes: a SAM, a MobileSAM, the built-in model."""
    if request.param == "pocket":
        return "pocket"
    shapes = script("shapes")
    if request.param == "mobile-tiny":
        stages = (
            shapes.Stage(16, 1, 32, merged=16),
            shapes.Stage(16, 1, 16, 2, 7, 24),
            shapes.Stage(24, 1, 24, 2, 14, 320),
            shapes.Stage(320, 1, 64, 5, 7),
        )
        shapes.MOBILE["mobile-tiny"] = stages
    return shapes.write(request.param, tmp_path)


def exact(model: Any) -> Any:
    return persam.load(model, device="cpu", engine="torch", precision="fp32")


def test_the_plain_loop_finds_what_the_official_variant_finds(model, script):
    plain = script("plain")
    photo, mask = samples.files(samples.PICTURES, 0)
    loop = plain.PlainModel(exact(model))
    target = plain.learn(loop, photo, mask)
    concept = persam.personalize(exact(model), photo, mask=mask, variant="official")
    found = concept.features.target_feature
    np.testing.assert_allclose(found, target.feature, atol=1e-5, rtol=1e-5)
    for number in (1, 6):
        image, _ = samples.files(samples.PICTURES, number)
        found = plain.find(loop, target, plain.read(image))
        expected = concept.segment(image).mask
        assert expected.any()
        assert (found != expected).mean() < 1e-4


def test_the_plain_loop_writes_masks(script, tmp_path):
    plain, shapes = script("plain"), script("shapes")
    loop = plain.PlainModel(exact(shapes.write("vit-tiny", tmp_path)))
    (photo, mask), (other, _) = (samples.files(samples.PICTURES, n) for n in (0, 1))
    target = plain.learn(loop, photo, mask)
    plain.segment(loop, target, [other], tmp_path / "masks")
    (written,) = (tmp_path / "masks").iterdir()
    red = plain.read(written)[..., 0] > 0
    assert (red == plain.find(loop, target, plain.read(other))).all()


def test_the_plain_fit_is_the_official_one(script, tmp_path):
    plain = script("plain")
    photo, mask = samples.files(samples.PICTURES, 0)
    fitting = plain.Fitting(plain.PlainModel(exact("pocket")), photo, mask)
    found = fitting.run(steps=3)
    from persam.methods.fit import Schedule, fit
    from persam.methods.persam import learn
    from persam.methods.persam_f import lesson

    recipe = persam.Variant.named("official", "persam-f")
    backbone = exact("pocket")
    reference = encode_reference(backbone, Reference(photo, mask=mask), recipe)
    lessons = [lesson(learn(backbone, [reference], recipe), reference)]
    expected = fit(lessons, "official", Schedule(steps=3))
    assert found.weights == pytest.approx(expected.weights, abs=1e-5)
    assert fitting.loss(1 / 3, 1 / 3) == pytest.approx(
        float(expected.losses[0, 1:].sum()), rel=1e-4
    )


def test_explicit_attention_is_what_the_plain_loop_runs(script, tmp_path):
    plain, shapes = script("plain"), script("shapes")
    loop = plain.PlainModel(exact(shapes.write("vit-tiny", tmp_path)))
    names = {type(module).__name__ for module in loop.backbone.model.modules()}
    assert "SamVisionAttention" in names
    assert "SamVisionSdpaAttention" not in names
    config = loop.backbone.model.mask_decoder.transformer.config
    assert config._attn_implementation == "eager"


@pytest.mark.parametrize(
    ("kind", "parameters"), [("vit-b", 93.7e6), ("vit-l", 312.3e6), ("vit-h", 641.1e6)]
)
def test_shapes_have_the_official_number_of_parameters(script, kind, parameters):
    # https://github.com/facebookresearch/segment-anything names 91M, 308M and 636M for the image
    # encoders with their neck, without the prompt encoder and the decoder of 4M.
    shapes = script("shapes")
    with torch.device("meta"):
        from transformers import SamConfig, SamModel

        model = SamModel(SamConfig(**shapes.sizes(**shapes.VIT[kind])))
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(parameters, rel=5e-3)


@pytest.mark.parametrize(
    ("value", "goal", "at_most", "met", "said"),
    [
        (5.2, 5, False, True, "met"),
        (4.8, 5, False, False, "missed"),
        (1.0, 1.1, True, True, "met"),
        (1.2, 1.1, True, False, "missed"),
        (3.0, None, False, None, "|  |"),
    ],
)
def test_a_row_says_whether_its_goal_is_met(script, value, goal, at_most, met, said):  # noqa: PLR0917
    row = script("rounds").Row("speed", value, goal, at_most)
    assert row.met is met
    assert said in str(row)
    assert row.facts()["met"] is met


def test_ways_are_timed_in_turn(script):
    done: list[str] = []
    works = {name: lambda name=name: done.append(name) for name in ("slow", "fast")}
    times = script("rounds").side_by_side(works, 3)
    assert done == ["slow", "fast"] * 2 + ["fast", "slow"] + ["slow", "fast"]
    assert all(len(timing.wall) == 3 for timing in times.values())
    assert times["slow"].best <= times["slow"].typical


def test_a_ratio_is_of_the_best_rounds(script):
    rounds = script("rounds")
    slow, fast = (rounds.Timing(wall, wall) for wall in ((8.0, 9.0, 30.0), (2.0, 3.0, 3.0)))
    row = rounds.ratio("speed", slow, fast, 3, precision="fp32")
    assert (row.value, row.typical, row.met) == (4.0, 3.0, True)
    assert row.detail["precision"] == "fp32"


def test_the_benchmark_runs(script, tmp_path):
    report = tmp_path / "bench.json"
    app = _app(script("bench").main)
    asked = ["--quick", "--photos", "2", "--rounds", "1", "--json", str(report)]
    # Each row once: in quick runs all models but the built-in one are the same tiny one.
    asked += ["--only", "photo:mobile", "--only", "fit:mobile", "--only", "album:pocket"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    rows = json.loads(report.read_text())["rows"]
    figures = [row["figure"] for row in rows]
    assert any("PerSAM-F's fit" in figure for figure in figures)
    assert all(np.isfinite(row["value"]) for row in rows)
    assert all("engine" in row["detail"] for row in rows if "file to mask" in row["figure"])


def test_an_unknown_row_is_refused(script):
    result = CliRunner().invoke(_app(script("bench").main), ["--only", "colour"])
    assert result.exit_code == 2
    assert "no row colour" in result.output


def test_the_gpu_benchmark_runs_dry(script, tmp_path):
    report = tmp_path / "gpu.json"
    result = CliRunner().invoke(
        _app(script("bench_gpu").main), ["--dry-run", "--json", str(report)]
    )
    assert result.exit_code == 0, result.output
    found = json.loads(report.read_text())
    assert found["dry_run"] is True
    figures = " ".join(row["figure"] for row in found["rows"])
    for word in (
        "album of the encoder's rate",
        "album, photo after photo",
        "fit, seconds",
        "bf16",
        "peak memory",
    ):
        assert word in figures


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_so(script):
    result = CliRunner().invoke(_app(script("bench_gpu").main), [])
    assert result.exit_code == 2
    assert "--dry-run" in result.output


def _app(main: Callable[..., None]) -> Any:
    import typer

    app = typer.Typer()
    app.command()(main)
    return app
