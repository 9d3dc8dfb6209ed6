from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from persam.cli import app
from persam.errors import InputError
from persam.evaluation.stability import (
    Protocol,
    StabilityReport,
    Steadiness,
    evaluate_stability,
    judge,
)
from persam.models.stable_sam.backbone import stabilize
from persam.models.stable_sam.modules import StableOptions
from persam.models.stable_sam.plugin_file import plugin_bytes, untrained

FEW = Protocol(prompts=3)


def picture(seed: int, size: tuple[int, int] = (40, 52)) -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros(size, dtype=bool)
    mask[5 : 20 + seed, 8:30] = True
    image = np.random.RandomState(seed).randint(0, 256, (*size, 3), dtype=np.uint8)
    return image, mask


def test_judging_by_hand():
    truth = np.array([[1, 1, 0, 0]], dtype=bool)
    masks = np.array([[[1, 1, 0, 0]], [[1, 0, 0, 0]], [[0, 1, 1, 0]]], dtype=bool)
    found = judge(masks, truth)
    assert found.iou == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert found.biou == pytest.approx(found.iou)  # one pixel high: all of it is boundary
    assert found.stability == pytest.approx((2 / 3 + 1 / 3 + 2 / 3) / 3)  # the union has 3 pixels
    assert found.agreement == pytest.approx((1 / 2 + 1 / 3 + 0) / 3)


def test_stability_is_the_mean_iou_with_the_union():
    masks = np.random.RandomState(0).rand(6, 9, 9) > 0.5
    union = masks.any(0)
    wanted = np.mean([(mask & union).sum() / (mask | union).sum() for mask in masks])
    assert judge(masks, masks[0]).stability == pytest.approx(wanted)


def test_agreement_is_counted_piece_by_piece(monkeypatch):
    masks = np.random.RandomState(1).rand(5, 9, 9) > 0.4
    pairs = [(a, b) for i, a in enumerate(masks) for b in masks[:i]]
    wanted = np.mean([(a & b).sum() / (a | b).sum() for a, b in pairs])
    for piece in (7, 81, 1000):
        monkeypatch.setattr("persam.evaluation.stability.PIECE", piece)
        assert judge(masks, masks[0]).agreement == pytest.approx(wanted)


def test_masks_that_are_all_empty_are_stable_and_wrong():
    nothing = np.zeros((2, 3, 3), dtype=bool)
    assert judge(nothing, np.ones((3, 3), dtype=bool)) == Steadiness(0.0, 0.0, 1.0, 1.0)


@pytest.mark.parametrize("family", ["sam", "pocket"])
def test_a_picture_is_measured_alike_alone_and_among_others(tiny, family):
    backbone = tiny(family)
    both = evaluate_stability(backbone, {"two": [picture(0), picture(1)]}, FEW)
    alone = evaluate_stability(backbone, {"one": [picture(0)]}, FEW)
    again = evaluate_stability(backbone, {"two": [picture(0), picture(1)]}, FEW)
    assert both.sets == again.sets and both.pictures == {"two": 2}
    other = evaluate_stability(backbone, {"two": [picture(0), picture(0)]}, FEW)
    assert other.sets["two"]["true box"] == alone.sets["one"]["true box"]
    for row in both.sets["two"].values():
        values = (row.iou, row.biou, row.stability, row.agreement)
        assert all(0 <= value <= 1 for value in values)
    assert both.sets["two"]["true box"].stability == 1.0  # asked once: there is no chance in it


def test_plain_and_untrained_are_asked_alike_and_answer_alike(tiny):
    backbone = tiny("sam")
    stable = stabilize(backbone, untrained(32, StableOptions(), "tiny"))
    some, others = (evaluate_stability(b, {"x": [picture(0)]}, FEW) for b in (backbone, stable))
    assert some.sets == others.sets
    assert others.settings["model"] == "tiny-sam with plugin a plugin"


def test_the_seed_changes_the_prompts(tiny):
    rows = [
        evaluate_stability(tiny("sam"), {"x": [picture(0)]}, replace(FEW, seed=seed)).sets["x"]
        for seed in (0, 1)
    ]
    assert rows[0]["true box"] == rows[1]["true box"]
    assert rows[0]["3 points"] != rows[1]["3 points"]


def test_stretching_fills_the_square_and_keeps_the_masks_size(tiny):
    """A square picture has nothing to stretch; a wide one is seen otherwise."""
    backbone = tiny("sam")
    for size, same in (((48, 48), True), ((40, 60), False)):
        kept, stretched = (
            evaluate_stability(backbone, {"x": [picture(0, size)]}, replace(FEW, stretch=stretch))
            for stretch in (False, True)
        )
        assert (kept.sets == stretched.sets) is same


def test_a_second_look_is_the_recipes_own_and_can_be_left_out(tiny):
    """The built-in recipe takes one of small things; plain SAM is asked once either way."""
    image, mask = picture(0, (90, 120))
    for family, same in (("pocket", False), ("sam", True)):
        closely, once = (
            evaluate_stability(
                tiny(family), {"x": [(image, mask)]}, replace(FEW, second_look=second_look)
            )
            for second_look in (True, False)
        )
        assert (closely.sets == once.sets) is same
        assert closely.settings["second_look"] and not once.settings["second_look"]


def test_the_mean_is_over_sets_and_the_table_has_all():
    def row(iou: float) -> dict[str, Steadiness]:
        return {"1 point": Steadiness(iou, iou / 2, 1.0, 0.5)}

    report = StabilityReport({"a": row(0.2), "b": row(0.6)}, {"a": 1, "b": 9}, {})
    assert report.mean["1 point"].iou == pytest.approx(0.4)  # sets weigh alike
    table = report.markdown()
    assert "| a, 1 pictures |" in table and "| b, 9 pictures |" in table
    assert "| 1 point | 40.0 | 20.0 | 100.0 | 50.0 |" in table
    single = StabilityReport({"a": row(0.2)}, {"a": 1}, {})
    assert "mean" not in single.markdown()


def test_bad_input(tiny):
    with pytest.raises(InputError, match="no pictures"):
        evaluate_stability(tiny("sam"), {"none": []}, FEW)
    image, mask = picture(0)
    with pytest.raises(InputError, match="empty mask"):
        evaluate_stability(tiny("sam"), {"x": [(image, mask & False)]}, FEW)
    with pytest.raises(InputError, match="at least once"):
        Protocol(prompts=0)
    with pytest.raises(InputError, match="scale above 0"):
        Protocol(noise=0)


def test_the_command_measures_with_and_without_a_plugin(tiny_sam_folder, tmp_path):
    for number in range(3):
        image, mask = picture(number)
        Image.fromarray(image).save(tmp_path / f"{number}.jpg")
        Image.fromarray(mask).save(tmp_path / f"{number}.png")
    plugin, out = tmp_path / "p" / "plugin.safetensors", tmp_path / "report.json"
    plugin.parent.mkdir()
    plugin.write_bytes(plugin_bytes(untrained(32, StableOptions(), "tiny")))
    words = ["evaluate", "stability", str(tmp_path), "--model", str(tiny_sam_folder)]
    words += ["--prompts", "2", "--pictures", "2", "--device", "cpu", "--json", str(out)]
    found = []
    for extra in ([], ["--plugin", str(plugin)]):
        done = CliRunner().invoke(app, [*words, *extra])
        assert done.exit_code == 0, done.output
        assert "2 pictures | mIoU | mBIoU | stability | agreement |" in done.stdout
        found.append(json.loads(out.read_text()))
    plain, stable = found
    assert plain["sets"] == stable["sets"] and plain["mean"]["1 point"]["iou"] >= 0
    assert stable["settings"]["model"].endswith(f"with plugin {plugin}")
    assert stable["settings"]["prompts"] == 2 and "torch" in stable["environment"]


def test_the_command_is_found_before_the_data_sets_of_evaluate(tmp_path):
    done = CliRunner().invoke(app, ["evaluate", "stability", str(tmp_path / "none.tar")])
    assert done.exit_code == 2
    assert "tars and folders" in done.output
    assert "stability" in CliRunner().invoke(app, ["evaluate", "stability", "--help"]).output
    assert "perseg" not in CliRunner().invoke(app, ["evaluate", "stability", "--help"]).output
