"""SAM's adapter against the official code's numbers, and the order of SAM-HQ's masks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import parity
import pytest
import tiny as tiny_models

from persam.structures import Guidance, Prompts

if TYPE_CHECKING:
    from persam.models.sam import SamBackbone


def assert_near(found: np.ndarray, expected: np.ndarray, relative: float) -> None:
    assert found.shape == expected.shape
    scale = np.abs(expected).max()
    assert np.abs(found - expected).max() < relative * scale


@pytest.mark.parametrize("name", ["reference", "test"])
def test_image_embedding_is_the_official_one(parity_sam: SamBackbone, name: str) -> None:
    expected = parity.stages("vit", "persam_mask255")[f"{name[:4].rstrip('e')}_embedding"]
    embedding = parity_sam.encode(parity.picture("vit", name))
    assert_near(embedding.features[0], expected, 1e-5)


def test_the_three_calls_are_the_official_ones(parity_sam: SamBackbone) -> None:
    stages = parity.stages("vit", "persam_mask255")
    embedding = parity_sam.encode(parity.picture("vit", "test"))
    prompts = Prompts(stages["points_xy"], stages["point_labels"])
    guidance = Guidance(
        stages["attention_similarity"].reshape(1, 1, 1, -1),
        stages["target_embedding"][None, None],
    )
    first = parity_sam.decode(embedding, prompts, guidance=guidance, multimask=False)
    mask = stages["step1_logits"]
    second = parity_sam.decode(embedding, replace(prompts, mask=mask))
    best = stages["step2_iou"].argmax()
    third = parity_sam.decode(
        embedding,
        replace(
            prompts,
            mask=stages["step2_logits"][[best]],
            box=tuple((stages["step3_box_xyxy"] + (0, 0, 1, 1)).tolist()),
        ),
    )
    for step, answer in enumerate((first, second, third), start=1):
        assert_near(answer.logits, stages[f"step{step}_logits"], 1e-5)
        assert_near(answer.iou, stages[f"step{step}_iou"], 1e-5)


def test_persam_f_calls_are_the_official_ones(parity_sam: SamBackbone) -> None:
    stages = parity.stages("vit", "persam_f_mask255")
    embedding = parity_sam.encode(parity.picture("vit", "test"))
    prompts = Prompts(stages["point_xy"], np.array([1]))
    first = parity_sam.decode(embedding, prompts)
    assert_near(first.logits, stages["step1_logits"], 1e-5)
    second = parity_sam.decode(
        embedding,
        replace(
            prompts,
            box=tuple((stages["step2_box_xyxy"] + (0, 0, 1, 1)).tolist()),
            mask=stages["step1_weighted_logits"][None],
        ),
    )
    assert_near(second.logits, stages["step2_logits"], 1e-5)


def test_sam_hq_keeps_the_order_of_its_tokens(tiny: Any, random_image: np.ndarray) -> None:
    backbone = tiny("sam_hq")
    embedding = backbone.encode(random_image)
    orders = set()
    for x in range(2, 50, 6):
        prompts = Prompts(np.array([[x, 20]]), np.array([1]))
        answer = backbone.decode(embedding, prompts)
        orders.add(tuple(np.argsort(-answer.iou).tolist()))
        assert np.array_equal(answer.iou, tiny_models.raw_scores(backbone, embedding, prompts)[1:])
    assert orders != {(0, 1, 2)}, "pictures where sorting would change something"
