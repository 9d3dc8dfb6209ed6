"""Pictures are encoded together as they are one by one, by every family and through wrappers."""

from __future__ import annotations

import numpy as np
import pytest
import tiny as tiny_models

from persam.errors import InputError
from persam.evaluation.running import EncodeOnce
from persam.models.dinov2 import MatchedBackbone, Matcher
from persam.models.sam import SamBackbone
from persam.models.wrapped_backbone import WrappedBackbone
from persam.structures import Embedding, ModelSpec

IMAGES = [
    np.random.RandomState(seed).randint(0, 256, size, dtype=np.uint8)
    for seed, size in enumerate([(40, 52, 3), (64, 20, 3), (9, 9, 3)])
]


def same(one: Embedding, other: Embedding) -> None:
    assert one.frame == other.frame
    maps = [
        (embedding.features, embedding.matching, *embedding.extras) for embedding in (one, other)
    ]
    for mine, yours in zip(*maps, strict=True):
        assert mine.dtype == np.float32
        np.testing.assert_allclose(mine, yours, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", [*tiny_models.FAMILIES, "pocket"])
@pytest.mark.parametrize("wrap", [None, WrappedBackbone, EncodeOnce, "matched"])
def test_a_batch_of_any_sizes_is_its_pictures_one_by_one(tiny, family, wrap):
    backbone = tiny(family)
    if wrap == "matched":
        backbone = MatchedBackbone(backbone, Matcher("tiny", tiny_models.dinov2_model()))
    elif wrap is not None:
        backbone = wrap(backbone)
    together = backbone.encode_batch(IMAGES)
    if wrap is EncodeOnce:
        backbone.forget()
    for image, found in zip(IMAGES, together, strict=True):
        same(found, backbone.encode(image))
    assert backbone.encode_batch([]) == []


def test_what_is_remembered_is_not_encoded_again(tiny):
    remembering = EncodeOnce(tiny("pocket"))
    first = remembering.encode(IMAGES[1])
    found = remembering.encode_batch([IMAGES[0], IMAGES[1], IMAGES[0]])
    assert found[1] is first
    assert found[0] is found[2]


def test_one_wrong_picture_is_named(tiny):
    with pytest.raises(InputError, match=r"got shape \(3, 3\)"):
        tiny("sam").encode_batch([IMAGES[0], np.zeros((3, 3), np.uint8)])


@pytest.mark.parametrize("matched", [False, True])
def test_what_is_preprocessed_is_encoded_as_it_would_be_now(tiny, matched):
    backbone = tiny("sam")
    if matched:
        backbone = MatchedBackbone(backbone, Matcher("tiny", tiny_models.dinov2_model()))
    pictures = [backbone.preprocess(image) for image in IMAGES]
    for one, image in zip(pictures, IMAGES, strict=True):
        assert {pixels.dtype for pixels in one.pixels} == {np.dtype(np.float32)}
        assert one.frame == backbone.frame(*image.shape[:2])
    pairs = zip(backbone.encode_preprocessed(pictures), backbone.encode_batch(IMAGES), strict=True)
    for ahead, now in pairs:
        same(ahead, now)


def test_an_identity_is_of_weights_and_precision_and_not_of_names(tiny):
    backbone = tiny("sam")
    assert WrappedBackbone(backbone, ModelSpec("another name")).identity == backbone.identity
    again = tiny_models.build("sam")
    assert again.identity == backbone.identity
    again.model.vision_encoder.neck.conv1.weight[0] += 1e-3
    assert again.identity != backbone.identity
    halved = SamBackbone("tiny", tiny_models.build("sam").model, precision="bf16")
    assert halved.identity != backbone.identity
    matcher = Matcher("tiny", tiny_models.dinov2_model())
    matched = MatchedBackbone(backbone, matcher).identity
    assert matched != backbone.identity
    other = Matcher("tiny", tiny_models.dinov2_model(registers=True))
    assert MatchedBackbone(backbone, other).identity != matched
