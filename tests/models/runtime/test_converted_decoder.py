"""A decoder in an engine says what torch's says, and is not asked where it could not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny as tiny_models
import torch

from persam.errors import InputError
from persam.models.decoder_parts import decoder_of
from persam.models.runtime.choice import RuntimeChoice, missing
from persam.structures import Guidance, Prompts

POINTS = Prompts(np.array([[5, 9], [30, 20]]), np.array([1, 0]))
BOX = Prompts(box=(3, 4, 30, 35))
# The graphs of all families: test_export.py, which converts the same networks.
PAIRS = [("openvino", family) for family in ("sam", "sam2", "pocket")]
# The built-in model's decoder comes with the package, and is compared in test_light.py.
PAIRS += [("onnx", family) for family in ("sam_hq", "sam2")]


@pytest.fixture
def in_engine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a family's backbone in an engine; what is converted, the whole session shares."""
    monkeypatch.setenv("PERSAM_ENGINE", "auto")

    def get(family: str = "sam", engine: str = "openvino") -> Any:
        if absent := missing(engine):
            pytest.skip(f"{engine} needs {', '.join(absent)}: pip install persam[{engine}]")
        if reason := tiny_models.missing(family):
            pytest.skip(reason)
        return tiny_models.build(family).run_by(RuntimeChoice(engine, "fp32"))

    return get


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note every question to torch's own decoder of SAM."""
    from persam.models.sam import SamBackbone

    noted, own = [], SamBackbone.answer

    def noting(self: Any, *args: Any, **kwargs: Any) -> Any:
        noted.append("torch")
        return own(self, *args, **kwargs)

    monkeypatch.setattr(SamBackbone, "answer", noting)
    return noted


def guidance(features: np.ndarray) -> Guidance:
    random = np.random.default_rng(1)
    _, channels, height, width = features.shape
    guide = random.random((1, 1, 1, height * width), dtype=np.float32)
    return Guidance(guide, random.standard_normal((1, 1, channels), dtype=np.float32), alpha=2.0)


def alike(ours: Any, theirs: Any) -> None:
    scale = float(np.abs(theirs.logits).max())
    torch.testing.assert_close(ours.logits, theirs.logits, atol=1e-4 * scale, rtol=0)
    torch.testing.assert_close(ours.iou, theirs.iou, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("engine", "family"), PAIRS)
def test_it_answers_as_torch_does(tiny, in_engine, random_image, engine, family):
    backbone, exact = in_engine(family, engine), tiny(family)
    embedding = exact.encode(random_image)
    logits = exact.decode(embedding, POINTS).logits[:1]
    many = Prompts(np.arange(40).reshape(20, 2), np.arange(20) % 2)
    for prompts in (POINTS, BOX, Prompts(POINTS.points, POINTS.labels, BOX.box, logits), many):
        for guide in (None, guidance(embedding.features)):
            for multimask in (True, False):
                how = {"guidance": guide, "multimask": multimask}
                alike(
                    backbone.decode(embedding, prompts, **how),
                    exact.decode(embedding, prompts, **how),
                )


def test_batches_are_answered_one_by_one(tiny, in_engine, asked, random_image):
    backbone, exact = in_engine(), tiny()
    embeddings = exact.encode_batch([random_image, random_image[:, ::-1].copy()])
    ours = backbone.decode_batch(embeddings, [POINTS, POINTS], multimask=True)
    before = len(asked)
    for mine, own in zip(
        ours, exact.decode_batch(embeddings, [POINTS, POINTS], multimask=True), strict=True
    ):
        alike(mine, own)
    assert len(asked) == before + 1
    with pytest.raises(InputError, match="got 2 kinds"):
        backbone.decode_batch(embeddings, [POINTS, BOX], multimask=True)
    with pytest.raises(InputError, match="got 1 prompt sets for 2 embeddings"):
        backbone.decode_batch(embeddings, [POINTS], multimask=True)


def test_torch_is_asked_only_while_it_is_converted(in_engine, asked, random_image):
    backbone = in_engine()
    embedding = backbone.encode(random_image)
    backbone.decode(embedding, POINTS)
    del asked[:]
    backbone.decode(embedding, BOX, guidance=guidance(embedding.features))
    backbone.decode_batch([embedding], [POINTS], multimask=False)
    assert not asked


@pytest.mark.parametrize("change", ["hook", "part", "autocast"])
def test_what_an_engine_cannot_know_is_left_to_torch(in_engine, asked, random_image, change):
    backbone = in_engine()
    embedding = backbone.encode(random_image)
    backbone.decode(embedding, POINTS)
    del asked[:]
    decoder = decoder_of(backbone)
    layer = decoder.transformer.layers[0].self_attn
    if change == "hook":
        layer.register_forward_hook(lambda _, __, out: out)
    elif change == "part":
        layer.q_proj = torch.nn.Sequential(layer.q_proj)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=change == "autocast"):
        backbone.decode(embedding, POINTS)
    assert asked == ["torch"]


def test_a_hung_in_part_counts_and_leaves_no_trace(in_engine, random_image):
    backbone = in_engine()
    embedding = backbone.encode(random_image)
    plain = backbone.decode(embedding, POINTS)
    head = decoder_of(backbone).iou_prediction_head
    hook = head.register_forward_hook(lambda _, __, out: out + 1)
    torch.testing.assert_close(backbone.decode(embedding, POINTS).iou, plain.iou + 1)
    hook.remove()
    torch.testing.assert_close(backbone.decode(embedding, POINTS).iou, plain.iou)


def test_another_models_embedding_is_refused_before_anything_is_converted(in_engine, random_image):
    embedding = in_engine("pocket").encode(random_image)
    for _ in range(2):
        with pytest.raises(InputError, match="Encode the picture with this very model"):
            in_engine("sam").decode(embedding, POINTS)


def test_what_does_not_fit_is_named(in_engine, random_image):
    backbone = in_engine()
    embedding = backbone.encode(random_image)
    with pytest.raises(InputError, match="at least one point or a box"):
        backbone.decode(embedding, Prompts())
    with pytest.raises(InputError, match="mask prompt is the"):
        backbone.decode(embedding, Prompts(POINTS.points, POINTS.labels, mask=np.zeros((1, 3, 3))))
    other = in_engine("pocket")
    with pytest.raises(InputError, match="Encode the picture with this very model"):
        backbone.decode(other.encode(random_image), POINTS)
