"""Guided attention against its formula written out longhand, and what it leaves behind: nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny as tiny_models
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from persam.errors import InputError
from persam.models.guided_attention import ATTENTION_NAME, guided, guided_attention
from persam.models.tensors import guidance_tensors
from persam.structures import Embedding, Guidance, MaskLogits, Prompts


@pytest.fixture(params=(*tiny_models.FAMILIES, "pocket"))
def backbone(request: pytest.FixtureRequest, tiny: Any) -> Any:
    """Every family of transformers in turn, and our own model."""
    return tiny(request.param)


IMAGE = np.random.RandomState(3).randint(0, 256, (40, 52, 3), dtype=np.uint8)
PROMPTS = Prompts(np.array([[30, 12], [5, 35]]), np.array([1, 0]))


def guidance_for(embedding: Embedding, **changes: Any) -> Guidance:
    random = np.random.default_rng(11)
    _, channels, height, width = embedding.features.shape
    parts: dict[str, Any] = {
        "attention": random.random((1, 1, 1, height * width), dtype=np.float32) * 3,
        "target": random.standard_normal((1, 1, channels), dtype=np.float32),
    }
    return Guidance(**(parts | changes))


def assert_same(first: MaskLogits, second: MaskLogits, relative: float = 0.0) -> None:
    for one, other in ((first.logits, second.logits), (first.iou, second.iou)):
        np.testing.assert_allclose(one, other, rtol=0, atol=relative * np.abs(other).max())


def differs(first: MaskLogits, second: MaskLogits) -> bool:
    change = np.abs(first.logits - second.logits).max()
    return bool(change > 1e-3 * np.abs(second.logits).max())


def attend(
    layer: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, guide: Any = None
) -> torch.Tensor:
    heads = layer.num_attention_heads
    q, k, v = (
        projection(tensor)[0, 0].unflatten(-1, (heads, -1)).transpose(0, 1)
        for projection, tensor in (
            (layer.q_proj, query),
            (layer.k_proj, key),
            (layer.v_proj, value),
        )
    )
    weights = F.softmax(q @ k.mT / q.shape[-1] ** 0.5, dim=-1)
    if guide is not None:
        weights = F.softmax(weights + guide, dim=-1)
    mixed = (weights @ v).transpose(0, 1).flatten(1)[None, None]
    return getattr(layer, "o_proj", getattr(layer, "out_proj", None))(mixed)


def longhand_transformer(transformer: Any, guide: torch.Tensor, target: torch.Tensor) -> Any:
    """Two-way transformer of SAM with PerSAM's additions, one sum per line, as published."""

    def forward(
        point_embeddings: torch.Tensor,
        image_embeddings: torch.Tensor,
        image_positional_embeddings: torch.Tensor,
        **_: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        keys = image_embeddings.flatten(2).mT[:, None]
        position = image_positional_embeddings.flatten(2).mT[:, None]
        token_position = point_embeddings + target
        queries = point_embeddings
        for index, block in enumerate(transformer.layers):
            queries = queries + target
            if index == 0:
                queries = attend(block.self_attn, queries, queries, queries)
            else:
                both = queries + token_position
                queries = queries + attend(block.self_attn, both, both, queries)
            queries = block.layer_norm1(queries)
            queries = block.layer_norm2(
                queries
                + attend(
                    block.cross_attn_token_to_image,
                    queries + token_position,
                    keys + position,
                    keys,
                    guide,
                )
            )
            queries = block.layer_norm3(queries + block.mlp(queries))
            keys = block.layer_norm4(
                keys
                + attend(
                    block.cross_attn_image_to_token,
                    keys + position,
                    queries + token_position,
                    queries,
                )
            )
        final = queries + token_position + target
        last = attend(transformer.final_attn_token_to_image, final, keys + position, keys)
        return transformer.layer_norm_final_attn(queries + last), keys

    return forward


@pytest.mark.parametrize("multimask", [False, True])
def test_every_family_computes_the_official_formula(
    backbone: Any, multimask: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedding = backbone.encode(IMAGE)
    guidance = guidance_for(embedding, alpha=1.5)
    answer = backbone.decode(embedding, PROMPTS, guidance=guidance, multimask=multimask)
    assert differs(answer, backbone.decode(embedding, PROMPTS, multimask=multimask))

    transformer = backbone.model.mask_decoder.transformer
    assert guidance.attention is not None
    assert guidance.target is not None
    guide, target = map(torch.from_numpy, (guidance.attention[0] * 1.5, guidance.target))
    longhand = longhand_transformer(transformer, guide, target)
    monkeypatch.setattr(transformer, "forward", longhand)
    assert_same(answer, backbone.decode(embedding, PROMPTS, multimask=multimask), relative=1e-5)


def test_transformers_own_arguments_are_another_formula(backbone: Any) -> None:
    embedding = backbone.encode(IMAGE)
    guidance = guidance_for(embedding)
    answer = backbone.decode(embedding, PROMPTS, guidance=guidance)
    decoder = backbone.model.mask_decoder

    def replace(_: Any, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        guide, target = map(torch.from_numpy, (guidance.attention, guidance.target))
        return args, kwargs | {"attention_similarity": guide, "target_embedding": target}

    hook = decoder.register_forward_pre_hook(replace, with_kwargs=True)
    try:
        assert differs(answer, backbone.decode(embedding, PROMPTS))
    finally:
        hook.remove()


def test_guidance_leaves_no_trace(backbone: Any) -> None:
    embedding = backbone.encode(IMAGE)
    before = backbone.decode(embedding, PROMPTS)
    configuration = backbone.model.mask_decoder.transformer.config
    attention = configuration._attn_implementation
    features = embedding.features.copy()
    guidance = guidance_for(embedding)
    parts = [guidance.attention.copy(), guidance.target.copy()]  # type: ignore[union-attr]
    backbone.decode(embedding, PROMPTS, guidance=guidance)

    assert_same(backbone.decode(embedding, PROMPTS), before)
    assert configuration._attn_implementation == attention != ATTENTION_NAME
    assert not any(module._forward_pre_hooks for module in backbone.model.modules())
    assert not any(module._forward_hooks for module in backbone.model.modules())
    assert np.array_equal(embedding.features, features)
    assert np.array_equal(guidance.attention, parts[0])  # type: ignore[arg-type]
    assert np.array_equal(guidance.target, parts[1])  # type: ignore[arg-type]


def test_an_error_while_guiding_leaves_no_trace_either(tiny: Any) -> None:
    decoder = tiny("sam").model.mask_decoder
    before = decoder.transformer.config._attn_implementation
    guidance = Guidance(torch.zeros(1, 1, 1, 16), torch.zeros(1, 1, 32))
    with pytest.raises(KeyError), guided(decoder, guidance):
        assert decoder.transformer.config._attn_implementation == ATTENTION_NAME
        raise KeyError
    assert decoder.transformer.config._attn_implementation == before
    assert not any(module._forward_pre_hooks for module in decoder.modules())


def test_nothing_to_guide_by_is_the_plain_model(backbone: Any) -> None:
    embedding = backbone.encode(IMAGE)
    plain = backbone.decode(embedding, PROMPTS)
    zero = np.zeros((1, 1, embedding.features.shape[1]), np.float32)
    for guidance in (Guidance(), Guidance(target=zero)):
        assert_same(backbone.decode(embedding, PROMPTS, guidance=guidance), plain)


def test_even_a_constant_guide_changes_the_answer(backbone: Any) -> None:
    embedding = backbone.encode(IMAGE)
    plain = backbone.decode(embedding, PROMPTS)
    answers = [
        backbone.decode(
            embedding,
            PROMPTS,
            guidance=guidance_for(
                embedding, attention=np.full((1, 1, 1, 16), value, np.float32), target=None
            ),
        )
        for value in (0.0, 0.7)
    ]
    assert differs(answers[0], plain)
    assert_same(answers[0], answers[1], relative=1e-5)


def test_gradients_reach_the_guide_and_the_target(tiny: Any) -> None:
    backbone = tiny("sam")
    embedding = backbone.encode(IMAGE)
    arrays = guidance_for(embedding)
    guidance: Any = guidance_tensors(arrays, torch.device("cpu"))
    leaves = [part.requires_grad_() for part in (guidance.attention, guidance.target)]
    with guided(backbone.model.mask_decoder, guidance):
        output = backbone.model(
            image_embeddings=torch.from_numpy(embedding.features),
            input_points=torch.tensor([[[[30.0, 12.0]]]]),
            input_labels=torch.tensor([[[1]]]),
        )
    output.pred_masks.mean().backward()
    assert all(leaf.grad is not None and leaf.grad.abs().max() > 0 for leaf in leaves)


def test_guidance_of_another_model_is_named(backbone: Any) -> None:
    embedding = backbone.encode(IMAGE)
    width = embedding.features.shape[1]
    for wrong, expected in (
        (Guidance(attention=np.zeros((1, 1, 1, 25))), r"attention is \(1, 1, 1, 25\).*16"),
        (Guidance(target=np.zeros((1, 1, 7))), rf"target is \(1, 1, 7\).*\(1, 1, {width}\)"),
    ):
        with pytest.raises(InputError, match=expected):
            backbone.decode(embedding, PROMPTS, guidance=wrong)


@settings(max_examples=25, deadline=None)
@given(shift=st.floats(-20, 20), seed=st.integers(0, 2**16), cells=st.integers(1, 9))
def test_a_guide_matters_up_to_a_constant(shift: float, seed: int, cells: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    query, key, value = (torch.randn(1, 2, n, 4, generator=generator) for n in (3, cells, cells))
    guide = torch.randn(1, 1, 1, cells, generator=generator)
    layer = torch.nn.Identity()
    mixed, weights = guided_attention(layer, query, key, value, guide, scaling=0.5)
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 2, 3))
    shifted, _ = guided_attention(layer, query, key, value, guide + shift, scaling=0.5)
    torch.testing.assert_close(mixed, shifted, rtol=1e-4, atol=1e-4)


def test_without_a_guide_it_is_plain_attention() -> None:
    query, key, value = (torch.randn(1, 2, n, 4) for n in (3, 5, 5))
    mixed, _ = guided_attention(torch.nn.Identity(), query, key, value, None, scaling=0.5)
    expected = F.scaled_dot_product_attention(query, key, value)
    torch.testing.assert_close(mixed, expected.transpose(1, 2))


@pytest.mark.parametrize("option", [{"dropout": 0.1}, {"is_causal": True}])
def test_unsupported_attention_is_refused(option: dict[str, Any]) -> None:
    tensor = torch.zeros(1, 1, 1, 1)
    with pytest.raises(InputError, match="dropout"):
        guided_attention(torch.nn.Identity(), tensor, tensor, tensor, None, scaling=1.0, **option)
