from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

from persam.models.runtime import fast_decoder
from persam.models.runtime.fast_decoder import make_lean, undo_lean
from persam.structures import Guidance, Prompts


@pytest.fixture(autouse=True)
def _many_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny decoders have too narrow projections for it to pay; what it computes is the same."""
    monkeypatch.setattr(fast_decoder, "FEW", 3)


POINTS = Prompts(np.array([[5, 9], [30, 20]]), np.array([1, 0]))
BOX = Prompts(box=(3, 4, 30, 35))


def usual(backbone: Any) -> Any:
    """The same backbone with transformers' own attention."""
    plain = copy.deepcopy(backbone)
    undo_lean(plain.model)
    return plain


def layers(backbone: Any) -> list[Any]:
    transformer = backbone.model.mask_decoder.transformer
    pairs = [
        (block.cross_attn_token_to_image, block.cross_attn_image_to_token)
        for block in transformer.layers
    ]
    return [transformer.final_attn_token_to_image, *(layer for pair in pairs for layer in pair)]


def guidance(features: np.ndarray) -> Guidance:
    random = np.random.default_rng(1)
    _, channels, height, width = features.shape
    guide = random.random((1, 1, 1, height * width), dtype=np.float32)
    return Guidance(guide, random.standard_normal((1, 1, channels), dtype=np.float32), alpha=2.0)


def calls(backbone: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where transformers' own forward of an attention would run, note it."""
    noted: list[int] = []
    kind = type(layers(backbone)[0])
    own = kind.forward

    def noting(self: Any, *args: Any, **kwargs: Any) -> Any:
        noted.append(id(self))
        return own(self, *args, **kwargs)

    monkeypatch.setattr(kind, "forward", noting)
    return noted


@pytest.mark.parametrize("prompts", [POINTS, BOX], ids=["points", "box"])
@pytest.mark.parametrize("guide", [False, True], ids=["alone", "guided"])
def test_lean_decoders_answer_alike(backbone, random_image, prompts, guide):
    embedding = backbone.encode(random_image)
    guided = guidance(embedding.features) if guide else None
    for multimask in (True, False):
        ours = backbone.decode(embedding, prompts, guidance=guided, multimask=multimask)
        asked = {"guidance": guided, "multimask": multimask}
        theirs = usual(backbone).decode(embedding, prompts, **asked)
        scale = float(np.abs(theirs.logits).max())
        torch.testing.assert_close(ours.logits, theirs.logits, atol=1e-5 * scale, rtol=0)
        torch.testing.assert_close(ours.iou, theirs.iou, atol=1e-5, rtol=1e-5)


def test_the_pocket_model_is_lean_too(tiny, random_image):
    backbone = tiny("pocket")
    embedding = backbone.encode(random_image)
    ours, theirs = (b.decode(embedding, POINTS) for b in (backbone, usual(backbone)))
    torch.testing.assert_close(ours.logits, theirs.logits, atol=1e-4, rtol=1e-4)


def test_batches_answer_alike(tiny, random_image):
    backbone = tiny("sam")
    embeddings = [backbone.encode(random_image), backbone.encode(random_image[:, ::-1].copy())]
    ours, theirs = (
        model.decode_batch(embeddings, [POINTS, POINTS], multimask=True)
        for model in (backbone, usual(backbone))
    )
    for mine, own in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.logits, own.logits, atol=1e-4, rtol=1e-4)


def test_gradients_flow_alike(tiny, random_image):
    found = []
    for backbone in (tiny("sam"), usual(tiny("sam"))):
        guided = guidance(backbone.encode(random_image).features)
        target: Any = torch.from_numpy(guided.target).requires_grad_(True)
        asked = Guidance(guided.attention, target)
        embedding = backbone.encode(random_image)
        (answer,) = backbone.decode_tensors([embedding], [POINTS], guidance=asked)
        answer.logits.sum().backward()
        found.append(target.grad)
    torch.testing.assert_close(
        found[0], found[1], rtol=1e-3, atol=1e-3 * float(found[1].abs().max())
    )


def test_the_usual_forward_does_not_run(tiny, random_image, monkeypatch):
    backbone = tiny("sam")
    noted = calls(backbone, monkeypatch)
    backbone.decode(backbone.encode(random_image), POINTS)
    assert not set(noted) & {id(layer) for layer in layers(backbone)}


@pytest.mark.parametrize("change", ["hook", "projection", "tokens", "autocast"])
def test_what_it_does_not_know_runs_as_usual(tiny, random_image, monkeypatch, change):
    backbone = usual(tiny("sam"))
    noted = calls(backbone, monkeypatch)
    make_lean(backbone.model)
    prompts, layer = POINTS, layers(backbone)[0]
    if change == "hook":
        layer.v_proj.register_forward_hook(lambda _, __, out: 2 * out)
    elif change == "projection":
        layer.q_proj = torch.nn.Sequential(layer.q_proj)
    elif change == "tokens":
        rows = np.arange(40)
        prompts = Prompts(np.stack([rows, rows], axis=1), np.ones(40, dtype=np.int64))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=change == "autocast"):
        backbone.decode(backbone.encode(random_image), prompts)
    assert id(layer) in noted


def test_hooks_on_the_attention_are_heard(tiny, random_image):
    backbone = usual(tiny("sam"))
    make_lean(backbone.model)
    heard = []
    layers(backbone)[1].register_forward_pre_hook(
        lambda _, args, kwargs: heard.append(sorted(kwargs)), with_kwargs=True
    )
    backbone.decode(backbone.encode(random_image), POINTS)
    assert heard == [["attention_similarity", "key", "query", "value"]]


def test_a_guide_of_transformers_own_is_left_to_it(tiny, random_image):
    backbone = tiny("sam")
    embedding = backbone.encode(random_image)
    plain, features = usual(backbone), torch.from_numpy(embedding.features)
    asked = {
        "image_embeddings": features,
        "input_points": torch.tensor([[[[5.0, 9.0]]]]),
        "input_labels": torch.tensor([[[1]]]),
        "attention_similarity": torch.from_numpy(guidance(features).attention),
    }
    ours, theirs = (model.model(**asked).pred_masks for model in (backbone, plain))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * float(theirs.abs().max()))


def test_a_copy_is_on_its_own(tiny, random_image):
    backbone = tiny("sam")
    embedding = backbone.encode(random_image)
    twin = copy.deepcopy(backbone)
    before = twin.decode(embedding, POINTS).logits
    torch.nn.init.zeros_(layers(twin)[0].v_proj.weight)
    assert not np.array_equal(twin.decode(embedding, POINTS).logits, before)
    torch.testing.assert_close(backbone.decode(embedding, POINTS).logits, before)


def test_it_can_be_undone(tiny, random_image, monkeypatch):
    backbone = usual(tiny("sam"))
    noted = calls(backbone, monkeypatch)
    backbone.decode(backbone.encode(random_image), POINTS)
    assert {id(layer) for layer in layers(backbone)} <= set(noted)


@pytest.mark.parametrize("change", ["hook", "kernel"])
def test_changed_upscaling_runs_as_usual(tiny, random_image, change):
    backbone = usual(tiny("sam"))
    make_lean(backbone.model)
    decoder: Any = backbone.model.mask_decoder
    embedding = backbone.encode(random_image)
    plain = backbone.decode(embedding, POINTS).logits
    if change == "hook":
        decoder.upscale_conv1.register_forward_hook(lambda _, __, out: out.relu())
    else:
        decoder.upscale_conv2 = torch.nn.Sequential(decoder.upscale_conv2, torch.nn.Tanh())
    changed = backbone.decode(embedding, POINTS).logits
    expected = usual(backbone).decode(embedding, POINTS).logits
    torch.testing.assert_close(changed, expected, rtol=1e-4, atol=1e-4)
    assert not np.allclose(changed, plain, rtol=1e-3)
