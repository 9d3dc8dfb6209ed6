"""Every stage of PerSAM and PerSAM-F against what the official classes gave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import parity
import pytest

from persam import geometry
from persam.concept import Concept
from persam.methods.fit import Lesson, fit
from persam.methods.persam import personalize
from persam.methods.persam_f import finetune
from persam.models.mobile_sam import load_mobile_sam
from persam.models.sam import SamBackbone

METHODS = {"persam": personalize, "persam_f": finetune}
RUNS = [(kind, m, g) for kind, g in (("vit", 128), ("vit", 255), ("tinyvit", 255)) for m in METHODS]
# Decisions and pixels: equal, not near.
EXACT = {
    "final_index",
    "point_labels",
    "point_xy",
    "points_xy",
    "ref_foreground",
    "ref_point_xy",
    "step2_box_xyxy",
    "step3_box_xyxy",
}


@dataclass(frozen=True)
class Run:
    concept: Concept
    ours: dict[str, np.ndarray]
    official: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def tinyvit() -> SamBackbone:
    return SamBackbone("tinyvit", load_mobile_sam(parity.state("tinyvit")))


@pytest.fixture(scope="module", params=RUNS, ids=lambda run: "-".join(map(str, run)))
def run(request, parity_sam, tinyvit) -> Run:
    kind, method, grey = request.param
    backbone = parity_sam if kind == "vit" else tinyvit
    mask = (parity.picture(kind, "reference_mask") > 0).astype(np.uint8) * grey
    reference = parity.picture(kind, "reference")
    concept = METHODS[method](backbone, reference, mask=mask, variant="official")
    found = concept.segment(parity.picture(kind, "test"), trace=True)
    return Run(concept, dict(found.trace), parity.stages(kind, f"{method}_mask{grey}"))


def thinned(name: str, ours: dict[str, np.ndarray]) -> np.ndarray:
    """Our stage of the fixture's name, with the rows and columns that the fixture kept."""
    for suffix, step in (("_every_2nd_pixel", 2), ("_every_4th_cell", 4)):
        if name.endswith(suffix):
            return ours[name.removesuffix(suffix)][..., ::step, ::step]
    return ours[name]


def test_every_stage_agrees(run):
    assert len(run.official) >= 17
    for name, official in run.official.items():
        if name in EXACT or name == "final_mask":
            continue
        ours = thinned(name, run.ours)
        assert ours.shape == official.shape, name
        largest = np.abs(official).max()
        apart = np.abs(ours.astype(np.float64) - official).max()
        assert apart <= 1e-4 * largest, f"{name}: {apart} of {largest}"


def test_every_decision_agrees(run):
    decisions = EXACT & set(run.official)
    assert "final_index" in decisions
    for name in decisions:
        np.testing.assert_array_equal(run.ours[name], run.official[name], err_msg=name)


def test_the_final_mask_agrees(run):
    official = run.official["final_mask"].astype(bool)
    ours = run.ours["final_mask"].astype(bool)
    assert ours.shape == official.shape
    best = int(run.ours["final_index"])
    logits = run.ours["step3_logits"][best : best + 1]
    test = geometry.fit(*official.shape, run.concept.backbone.square, keep_aspect=True)
    size = np.abs(geometry.to_original(logits, test)[0])
    # A pixel whose logit is 0 within rounding has no side to be on: equal everywhere else.
    decided = size > 1e-5 * size.max()
    assert (~decided).sum() <= 3
    np.testing.assert_array_equal(ours[decided], official[decided])


def test_the_official_fit_finds_the_official_weights(run):
    if "weights" not in run.official:
        pytest.skip("PerSAM has no weights")
    np.testing.assert_allclose(run.concept.weights, run.official["weights"], atol=1e-3)
    steps = run.concept.trace["loss_trace_step_dice_focal"][:, 0]
    assert steps.tolist() == [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 999]


def longhand_loss(logits: np.ndarray, weights, truth: np.ndarray) -> float:
    """persam_f.py's loss in float64, written out."""
    z = sum(w * m.astype(np.float64) for w, m in zip(weights, logits, strict=True))
    p = 1 / (1 + np.exp(-z))
    dice = 1 - (2 * p[truth].sum() + 1) / (p.sum() + truth.sum() + 1)
    right = np.where(truth, p, 1 - p)
    entropy = np.logaddexp(0, np.where(truth, -z, z))
    return dice + (np.where(truth, 0.25, 0.75) * (1 - right) ** 2 * entropy).mean()


def test_the_fast_fit_is_no_worse_than_the_official_one(run):
    if "weights" not in run.official:
        pytest.skip("PerSAM has no weights")
    kind = "tinyvit" if run.concept.backbone.name == "tinyvit" else "vit"
    truth = parity.picture(kind, "reference_mask") > 0
    frame = run.concept.backbone.frame(*truth.shape)
    low = run.concept.trace["ref_logits"]
    fast = fit([Lesson(low, frame, truth)], "fast")
    logits = geometry.to_original(low, frame)
    official = longhand_loss(logits, run.official["weights"], truth)
    assert official == pytest.approx(run.official["loss_trace_step_dice_focal"][-1, 1:].sum(), 1e-3)
    assert longhand_loss(logits, fast.weights, truth) <= official + 1e-4
    assert sum(fast.weights) == pytest.approx(1)
