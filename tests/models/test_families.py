"""The adapters: one body for all families, parity with the official code for SAM."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny as tiny_models
import torch
import transformers

from persam.errors import InputError
from persam.models import sam, sam2
from persam.models.sam import SamBackbone
from persam.models.sam2 import Sam2Backbone
from persam.structures import Guidance, Prompts

POINTS = np.array([[30, 12], [5, 35]])
LABELS = np.array([1, 0])
BOX = (4, 6, 40, 33)


def test_an_embedding_is_float32_and_lies_in_its_frame(
    backbone: Any, random_image: np.ndarray
) -> None:
    embedding = backbone.encode(random_image)
    assert embedding.matching is embedding.features
    assert embedding.features.shape == (1, tiny_models.WIDTH, 4, 4)
    assert {t.dtype for t in (embedding.features, *embedding.extras)} == {np.dtype(np.float32)}
    assert embedding.frame == backbone.frame(*random_image.shape[:2])
    stretched = embedding.frame.resized == (backbone.square, backbone.square)
    assert stretched == isinstance(backbone, Sam2Backbone)


def test_a_picture_of_the_models_own_size_is_only_normalised(backbone: Any) -> None:
    side = backbone.square
    image = np.random.RandomState(0).randint(0, 256, (side, side, 3), dtype=np.uint8)
    half = isinstance(backbone.model, transformers.Sam3TrackerModel)
    mean, std = ([0.5] * 3, [0.5] * 3) if half else ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    pixels = (image / 255 - mean) / std
    tensor = torch.from_numpy(pixels).float().permute(2, 0, 1)[None]
    expected = backbone.model.get_image_embeddings(tensor)
    if isinstance(expected, (list, tuple)):  # SAM 2's maps end, SAM-HQ's begin, with the coarse one
        expected = expected[-1] if isinstance(backbone, Sam2Backbone) else expected[0]
    np.testing.assert_allclose(backbone.encode(image).features, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("multimask", [False, True])
def test_a_batch_is_answered_one_by_one_each_with_its_own_guidance(
    backbone: Any, random_image: np.ndarray, multimask: bool
) -> None:
    embeddings = backbone.encode_batch([random_image, random_image[:, ::-1].copy()])
    chance = np.random.default_rng(2)
    _, channels, rows, columns = embeddings[0].features.shape
    guidance = [
        Guidance(
            chance.standard_normal((1, 1, 1, rows * columns), dtype=np.float32),
            chance.standard_normal((1, 1, channels), dtype=np.float32),
            alpha=2.0,
        )
        for _ in embeddings
    ]
    asked = [Prompts(POINTS, LABELS), Prompts(POINTS[::-1], LABELS)]
    each = zip(embeddings, asked, guidance, strict=True)
    alone = [backbone.decode(e, p, guidance=g, multimask=multimask) for e, p, g in each]
    together = backbone.decode_batch(embeddings, asked, guidance=guidance, multimask=multimask)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one.logits, other.logits, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(one.iou, other.iou, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="got 2 kinds"):
        backbone.decode_batch(embeddings, asked, guidance=[guidance[0], None], multimask=multimask)
    with pytest.raises(InputError, match="got 1 for 2"):
        backbone.decode_batch(embeddings, asked, guidance=guidance[:1], multimask=multimask)


@pytest.mark.parametrize("multimask", [False, True])
@pytest.mark.parametrize("asked", ["points", "box", "points, box", "points, mask", "box, mask"])
def test_decoding_is_transformers_own(
    backbone: Any, random_image: np.ndarray, asked: str, multimask: bool
) -> None:
    embedding = backbone.encode(random_image)
    mask = np.random.default_rng(5).standard_normal((1, 16, 16), dtype=np.float32)
    prompts = Prompts(
        POINTS if "points" in asked else np.zeros((0, 2)),
        LABELS if "points" in asked else np.zeros(0),
        BOX if "box" in asked else None,
        mask if "mask" in asked else None,
    )
    answer = backbone.decode(embedding, prompts, multimask=multimask)

    height, width = random_image.shape[:2]
    scale = np.array(embedding.frame.resized[::-1]) / (width, height)
    expected = plain(
        backbone,
        embedding,
        input_points=torch.tensor(POINTS * scale).float()[None, None]
        if "points" in asked
        else None,
        input_labels=torch.tensor(LABELS)[None, None] if "points" in asked else None,
        input_boxes=torch.tensor(np.tile(scale, 2) * (np.array(BOX) - (0, 0, 1, 1))).float()[
            None, None
        ]
        if "box" in asked
        else None,
        input_masks=torch.from_numpy(mask)[None] if "mask" in asked else None,
        multimask_output=multimask,
    )
    logits, iou = answer.logits, answer.iou
    assert len(iou) == (3 if multimask else 1)
    if isinstance(backbone.model, transformers.SamHQModel):  # transformers sorts by score there
        order = np.argsort(-iou, kind="stable")
        logits, iou = logits[order], iou[order]
    assert np.array_equal(logits, expected.pred_masks[0, 0])
    assert np.array_equal(iou, expected.iou_scores[0, 0])


def test_gradients_go_to_what_asks_for_them_and_not_to_the_model(
    backbone: Any, random_image: np.ndarray
) -> None:
    embedding = backbone.encode(random_image)
    (answer,) = backbone.decode_tensors([embedding], [Prompts(POINTS, LABELS)])
    assert not answer.logits.requires_grad
    mask: Any = torch.zeros(1, 16, 16, requires_grad=True)
    (answer,) = backbone.decode_tensors([embedding], [Prompts(POINTS, LABELS, mask=mask)])
    answer.logits.sum().backward()
    assert mask.grad is not None
    assert bool(mask.grad.any())
    assert all(parameter.grad is None for parameter in backbone.model.parameters())


@torch.no_grad()
def plain(backbone: Any, embedding: Any, **asked: Any) -> Any:
    features, *extras = map(torch.from_numpy, (embedding.features, *embedding.extras))
    if isinstance(backbone, Sam2Backbone):
        return backbone.model(image_embeddings=[*extras, features], **asked)
    early = {"intermediate_embeddings": extras} if extras else {}
    return backbone.model(image_embeddings=features, **early, **asked)


def test_a_lower_precision_encodes_nearly_the_same(random_image: np.ndarray) -> None:
    for family in ("sam", "sam2"):
        full = tiny_models.build(family)
        lower = type(full)("bf16", full.model, precision="bf16")
        expected, found = (b.encode(random_image).features for b in (full, lower))
        assert found.dtype == np.float32
        error = np.abs(found - expected).mean() / np.abs(expected).mean()
        assert 0 < error < 0.05


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((8, 8), np.uint8), r"shape \(8, 8\)"),
        (np.zeros((8, 8, 4), np.uint8), r"shape \(8, 8, 4\)"),
        (np.zeros((8, 8, 3), np.float32), "float32"),
        ([[1, 2]], "of list"),
    ],
)
def test_a_picture_of_another_kind_is_named(backbone: Any, image: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        backbone.encode(image)


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        (Prompts(), "nothing to decode by"),
        (Prompts(mask=np.zeros((1, 16, 16), np.float32)), "nothing to decode by"),
        (Prompts(POINTS, np.array([1, 2])), r"label.*\[1 2\]"),
        (
            Prompts(POINTS, LABELS, mask=np.zeros((1, 8, 8), np.float32)),
            r"\(1, 16, 16\).*got \(1, 8, 8\)",
        ),
    ],
)
def test_prompts_that_cannot_be_asked_are_named(
    backbone: Any, random_image: np.ndarray, prompts: Prompts, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        backbone.decode(backbone.encode(random_image), prompts)


def test_an_embedding_of_another_model_is_named(
    tiny: Any, parity_sam: SamBackbone, random_image: np.ndarray
) -> None:
    prompts = Prompts(POINTS, LABELS)
    with pytest.raises(InputError, match="very model"):
        tiny("sam_hq").decode(tiny("sam").encode(random_image), prompts)
    with pytest.raises(InputError, match="very model"):
        parity_sam.decode(tiny("sam").encode(random_image), prompts)


def test_every_model_type_names_a_class() -> None:
    tables = sam.MODEL_TYPES | sam2.MODEL_TYPES
    assert len(tables) == len(sam.MODEL_TYPES) + len(sam2.MODEL_TYPES)
    assert all(hasattr(transformers, name) for name in tables.values())
