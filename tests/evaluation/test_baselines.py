"""The fine-tuning baselines on every kind of decoder, and the model after them."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tiny as tiny_models
import torch

import persam
from persam import geometry
from persam.errors import InputError, MissingExtra, PersamError
from persam.evaluation.baselines.descent import losses
from persam.evaluation.baselines.tuning import study
from persam.evaluation.method_names import resolve_method
from persam.methods.fit import Schedule
from persam.methods.persam_f import finetune
from persam.models.wrapped_backbone import WrappedBackbone
from persam.structures import Guidance, ModelSpec, Prompts

FAMILIES = ("sam", "sam_hq", "sam2", "pocket")
HUNG = ("prompt-tuning", "adapter", "lora")  # the ones that change the decoder for a while
BASELINES = (*HUNG, "free-weights")
SHORT = Schedule(steps=12, rate=1e-2)
PROMPTS = Prompts(np.array([[30, 12], [5, 35]]), np.array([1, 0]))

PICTURE = np.random.RandomState(3).randint(0, 256, (40, 52, 3), dtype=np.uint8)
OTHER = np.random.RandomState(4).randint(0, 256, (44, 36, 3), dtype=np.uint8)
MASK = np.zeros((40, 52), dtype=np.uint8)
MASK[8:30, 10:30] = 255


def method(name: str) -> Any:
    if name == "lora" and importlib.util.find_spec("peft") is None:
        pytest.skip("LoRA needs peft: pip install persam[baselines]")
    return resolve_method(name)


def answers(backbone: Any) -> list[np.ndarray]:
    """Decoder answers of every kind: both outputs, plain and guided."""
    embedding = backbone.encode(OTHER)
    _, channels, height, width = embedding.features.shape
    random = np.random.default_rng(1)
    guide = random.random((1, 1, 1, height * width), dtype=np.float32)
    target = random.standard_normal((1, 1, channels), dtype=np.float32)
    asked = [
        backbone.decode(embedding, PROMPTS, guidance=guidance, multimask=multimask)
        for guidance in (None, Guidance(guide, target))
        for multimask in (False, True)
    ]
    return [tensor for answer in asked for tensor in (answer.logits, answer.iou)]


def anatomy(backbone: Any) -> list[Any]:
    """What a model is made of: modules by place, hooks, attributes, which weights are trained."""
    return [
        (
            name,
            id(module),
            len(module._forward_hooks) + len(module._forward_pre_hooks),
            sorted(vars(module)),
            [
                (key, id(p), p.requires_grad, p.grad)
                for key, p in module._parameters.items()
                if p is not None
            ],
        )
        for name, module in backbone.model.named_modules()
    ]


def same(one: list[torch.Tensor], two: list[torch.Tensor]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("family", FAMILIES)
def test_it_learns_and_leaves_the_model_as_it_was(tiny, family, name):
    backbone, learner = tiny(family), method(name)
    weights = {key: value.clone() for key, value in backbone.model.state_dict().items()}
    before, parts = answers(backbone), anatomy(backbone)
    learnt = learner(backbone, PICTURE, mask=MASK, schedule=SHORT)
    assert learnt.losses[-1, 1:].sum() < learnt.losses[0, 1:].sum()
    assert same(answers(backbone), before)
    assert anatomy(backbone) == parts

    found = learnt.segment(OTHER)
    assert found.mask.shape == OTHER.shape[:2]
    assert same(answers(backbone), before)
    assert anatomy(backbone) == parts
    assert all(torch.equal(weights[key], v) for key, v in backbone.model.state_dict().items())
    again = learnt.segment_embedding(replace(backbone.encode(OTHER), image=OTHER))
    assert np.array_equal(again.mask, found.mask)
    assert again.score == found.score


@pytest.mark.parametrize("name", HUNG)
def test_a_search_that_fails_leaves_the_model_as_it_was(tiny, name):
    backbone = tiny("sam")
    learnt = method(name)(backbone, PICTURE, mask=MASK, schedule=SHORT)
    before, parts = answers(backbone), anatomy(backbone)
    embedding = backbone.encode(OTHER)
    with pytest.raises(InputError, match="nothing to decode by"):
        learnt.concept.backbone.decode(embedding, Prompts(), multimask=False)
    assert same(answers(backbone), before)
    assert anatomy(backbone) == parts


@pytest.mark.parametrize("name", HUNG)
def test_what_was_learnt_is_in_the_answers(tiny, name):
    backbone = tiny("sam2")
    learnt = method(name)(backbone, PICTURE, mask=MASK, schedule=SHORT)
    tuned = answers(learnt.concept.backbone)
    # Plain and guided, each with the single mask and then the three: these stay the model's own.
    differs = [not np.array_equal(a, b) for a, b in zip(tuned, answers(backbone), strict=True)]
    assert differs == [True, True, False, False] * 2


@pytest.mark.parametrize("name", ["adapter", "lora"])
@pytest.mark.parametrize("family", FAMILIES)
def test_it_starts_from_the_models_own_mask(tiny, family, name):
    backbone = tiny(family)
    learnt = method(name)(backbone, PICTURE, mask=MASK, schedule=Schedule(steps=1))
    embedding = backbone.encode(PICTURE)
    seen = learnt.concept.locate(embedding)
    answer = backbone.decode(embedding, seen.prompts, guidance=seen.guidance, multimask=False)
    maps = torch.from_numpy(geometry.to_original(answer.logits, embedding.frame)).flatten()
    dice, focal = losses(maps, torch.from_numpy(MASK > 0).flatten().float())
    assert learnt.losses.tolist() == [[0, pytest.approx(float(dice)), pytest.approx(float(focal))]]


@pytest.mark.parametrize("name", BASELINES)
def test_prompts_are_those_of_persam_f(tiny, name):
    backbone = tiny("sam")
    learnt = method(name)(backbone, PICTURE, mask=MASK, schedule=SHORT)
    twin = finetune(backbone, PICTURE, mask=MASK)
    assert learnt.variant == twin.variant
    found, expected = learnt.segment(OTHER), twin.segment(OTHER)
    assert np.array_equal(found.points, expected.points)
    assert np.array_equal(found.labels, expected.labels)


@pytest.mark.parametrize("name", BASELINES)
def test_the_same_reference_gives_the_same_parts_and_draws_nothing_of_ours(tiny, name):
    backbone, learner = tiny("sam"), method(name)
    state = torch.get_rng_state()
    first = learner(backbone, PICTURE, mask=MASK, schedule=SHORT)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    second = learner(backbone, PICTURE, mask=MASK, schedule=SHORT)
    assert np.array_equal(first.losses, second.losses)
    assert same(answers(first.concept.backbone), answers(second.concept.backbone))


def test_the_official_recipe_takes_the_loss_at_the_original_size(tiny):
    picture = np.random.RandomState(5).randint(0, 256, (600, 300, 3), dtype=np.uint8)
    mask = np.zeros((600, 300), dtype=np.uint8)
    mask[100:500] = 255

    def sizes(variant: str) -> list[tuple[int, ...]]:
        studied = study(tiny("sam"), picture, mask, variant)
        return [tuple(studied.truth(Schedule(longest=one)).share.shape) for one in (None, 60)]

    assert sizes("official") == [(600, 300), (60, 30)]  # a size that was asked for is taken
    assert sizes("default") == [(512, 256), (60, 30)]


def test_parameters_by_hand(tiny):
    backbone, width = tiny("sam"), tiny_models.WIDTH
    few = Schedule(steps=1)
    count = lambda name, **given: (  # noqa: E731
        method(name)(backbone, PICTURE, mask=MASK, schedule=few, **given).trained_parameters
    )
    assert count("free-weights") == 3
    assert count("prompt-tuning", tokens=5) == 5 * width
    # Two blocks of four sublayers; down and up, each with its bias.
    assert count("adapter", width=3) == 2 * 4 * (2 * 3 * width + 3 + width)
    # q and v: self-attention keeps the width, the cross attentions and the last one halve it.
    own, cross = 2 * 2 * (width + width), 2 * 2 * (width + width // 2)
    assert count("lora", rank=2) == 2 * (own + 2 * cross) + cross


def test_free_weights_step_against_the_gradient(tiny):
    backbone = tiny("sam")
    learnt = method("free-weights")(backbone, PICTURE, mask=MASK, schedule=Schedule(steps=1))
    embedding = backbone.encode(PICTURE)
    seen = learnt.concept.locate(embedding)
    maps = backbone.decode(embedding, seen.prompts, guidance=seen.guidance).logits
    flat = torch.from_numpy(geometry.to_original(maps, embedding.frame)).flatten(1).double()
    truth = torch.from_numpy(MASK > 0).flatten().double()

    def loss(weights: torch.Tensor) -> float:
        return float(sum(losses(weights @ flat, truth)))

    start = torch.full((3,), 1 / 3, dtype=torch.float64)
    for k, weight in enumerate(learnt.weights):
        nudge = torch.zeros(3, dtype=torch.float64)
        nudge[k] = 1e-5
        slope = (loss(start + nudge) - loss(start - nudge)) / 2e-5
        decayed = (1 - 1e-3 * 0.01) / 3
        assert weight == pytest.approx(decayed - 1e-3 * slope / (abs(slope) + 1e-4), abs=1e-6)


def test_free_weights_need_not_add_up_to_one(tiny):
    learnt = method("free-weights")(
        tiny("sam"), PICTURE, mask=MASK, schedule=Schedule(steps=60, rate=1e-2)
    )
    assert abs(sum(learnt.weights) - 1) > 0.01
    assert learnt.concept.weights == learnt.weights


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("prompt-tuning", {"tokens": 0}, "at least 1 token; got 0"),
        ("adapter", {"width": 0}, "at least 1 wide; got 0"),
        ("lora", {"rank": 0}, "rank of at least 1; got 0"),
    ],
)
def test_sizes_that_make_no_sense(tiny, name, given, said):
    with pytest.raises(InputError, match=said):
        resolve_method(name)(tiny("sam"), PICTURE, mask=MASK, **given)


@pytest.mark.parametrize("name", HUNG)
def test_a_model_without_such_a_decoder(name, tiny):
    other = WrappedBackbone(tiny("sam"), ModelSpec("other"))
    other.model = None  # as of an exported model: networks, and no layers
    with pytest.raises(InputError, match="other has none"):
        method(name)(other, PICTURE, mask=MASK)


def test_lora_without_peft_names_the_pip_line(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtra, match=r"pip install 'persam\[baselines\]'"):
        resolve_method("lora")(tiny("sam"), PICTURE, mask=MASK)


@pytest.mark.parametrize("name", ["adapter", "free-weights"])
def test_a_descent_that_runs_off_is_an_error_and_the_model_is_whole(tiny, name):
    backbone = tiny("sam")
    before, parts = answers(backbone), anatomy(backbone)
    wild = Schedule(steps=5, rate=1e20)
    with pytest.raises(PersamError, match="lower rate"):
        method(name)(backbone, PICTURE, mask=MASK, schedule=wild)
    assert same(answers(backbone), before)
    assert anatomy(backbone) == parts


@pytest.mark.parametrize("name", ["prompt-tuning", "adapter", "free-weights"])
def test_the_built_in_model_s_networks_give_way_to_layers(name, monkeypatch):
    monkeypatch.setenv("PERSAM_ENGINE", "auto")
    packaged = persam.load("pocket")
    assert packaged.engine in ("onnx", "openvino")  # what a user has without asking for anything
    learnt = resolve_method(name)(packaged, PICTURE, mask=MASK, schedule=Schedule(steps=1))
    assert learnt.backbone.engine == "torch"
    assert learnt.segment(OTHER).mask.shape == OTHER.shape[:2]
