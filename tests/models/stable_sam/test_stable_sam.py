"""Stable-SAM's plugin in every kind of decoder: what it changes, what it leaves, its file."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import parity
import pytest
import tiny as tiny_models
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

import persam
from persam.errors import InputError
from persam.models import registry
from persam.models.decoder_parts import decoder_of
from persam.models.mobile_sam import load_mobile_sam
from persam.models.runtime.exported import ExportedBackbone
from persam.models.sam import SamBackbone
from persam.models.stable_sam.backbone import stabilize
from persam.models.stable_sam.modules import (
    DeformableSampling,
    Router,
    StableOptions,
    StableParts,
    sample,
)
from persam.models.stable_sam.plugin_file import Plugin, plugin_bytes, read_plugin, untrained
from persam.structures import Guidance, ModelSpec, Prompts

FAMILIES = ("sam", "sam_hq", "sam2", "sam3", "pocket")
KINDS = (
    StableOptions(),
    StableOptions(reach=0, amplitudes=False),
    StableOptions(routing="always"),
    StableOptions(routing="hard", routed_by="mean", width=32),
)
POINTS = Prompts(np.array([[30, 12], [5, 35]]), np.array([1, 0]))
ASKED = (POINTS, Prompts(box=(4, 6, 40, 30)), replace(POINTS, box=(4, 6, 40, 30)))


def channels(backbone: Any) -> int:
    return decoder_of(backbone).hidden_size


def shaken(backbone: Any, options: StableOptions | None = None, seed: int = 0) -> Plugin:
    """A plugin as training might leave it: every parameter is off its start."""
    plugin = untrained(channels(backbone), options or StableOptions(), backbone.name)
    torch.manual_seed(seed)
    for parameter in plugin.parts.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return plugin


def answers(backbone: Any, image: np.ndarray) -> list[np.ndarray]:
    """Every prompt mode: points, box, both, with a mask, guided; one mask and three."""
    embedding = backbone.encode(image)
    _, width, rows, columns = embedding.features.shape
    random = np.random.default_rng(1)
    mask = random.standard_normal((1, 4 * rows, 4 * columns), dtype=np.float32)
    guide = random.random((1, 1, 1, rows * columns), dtype=np.float32)
    guidance = Guidance(guide, random.standard_normal((1, 1, width), dtype=np.float32))
    found = [
        backbone.decode(embedding, prompts, guidance=guided, multimask=multimask)
        for prompts in (*ASKED, replace(POINTS, mask=mask))
        for guided in (None, guidance)
        for multimask in (False, True)
    ]
    return [array for answer in found for array in (answer.logits, answer.iou)]


def distance(some: list[np.ndarray], others: list[np.ndarray]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(some, others, strict=True))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("options", KINDS, ids=lambda o: f"{o.routing}-{o.reach:g}")
def test_an_untrained_plugin_changes_nothing_in_any_prompt_mode(
    tiny, family, options, random_image
):
    backbone = tiny(family)
    stable = stabilize(backbone, untrained(channels(backbone), options, backbone.name))
    assert distance(answers(stable, random_image), answers(backbone, random_image)) <= 1e-6


@pytest.mark.parametrize("family", FAMILIES)
def test_a_trained_one_changes_every_mode_and_leaves_no_trace(tiny, family, random_image):
    backbone = tiny(family)
    before = answers(backbone, random_image)
    weights = {name: value.clone() for name, value in backbone.model.state_dict().items()}
    stable = stabilize(backbone, shaken(backbone))
    changed = answers(stable, random_image)
    assert all(float(np.abs(a - b).max()) > 1e-4 for a, b in zip(changed, before, strict=True))
    assert all(map(np.array_equal, answers(backbone, random_image), before))
    assert all(torch.equal(weights[k], v) for k, v in backbone.model.state_dict().items())
    hooks = [len(m._forward_pre_hooks) + len(m._forward_hooks) for m in backbone.model.modules()]
    assert sum(hooks) == 0


def test_a_failing_call_takes_the_plugin_off(tiny, random_image):
    backbone = tiny("sam")
    stable = stabilize(backbone, shaken(backbone))
    embedding = backbone.encode(random_image)
    with pytest.raises(InputError, match="nothing to decode"):
        stable.decode(embedding, Prompts())
    plain = backbone.decode(embedding, POINTS).logits
    assert not np.array_equal(plain, stable.decode(embedding, POINTS).logits)
    assert np.array_equal(plain, backbone.decode(embedding, POINTS).logits)


def test_a_plugin_that_fails_within_the_decoder_is_taken_off(tiny, random_image):
    """Together with a guidance, whose hooks hang in the same layer."""
    backbone = tiny("sam")
    plugin = shaken(backbone)
    stable = stabilize(backbone, plugin)
    embedding = backbone.encode(random_image)
    _, width, rows, columns = embedding.features.shape
    parts = np.ones((1, 1, 1, rows * columns)), np.ones((1, 1, width))
    guidance = Guidance(*(part.astype(np.float32) for part in parts))
    before = answers(backbone, random_image)
    plugin.parts.sampling.project = torch.nn.Linear(width + 1, width)
    with pytest.raises(RuntimeError, match="shapes"):
        stable.decode(embedding, POINTS, guidance=guidance)
    assert all(map(np.array_equal, answers(backbone, random_image), before))
    assert not any(m._forward_pre_hooks for m in backbone.model.modules())


def test_only_the_second_layer_sees_other_features(tiny, random_image):
    """The attention's query and the image's own path stay, as the figure has them."""
    backbone = tiny("sam")
    seen: dict[str, list[dict[str, torch.Tensor]]] = {}
    layers = decoder_of(backbone).transformer

    def watch(name: str):
        return lambda _, __, kwargs: seen.setdefault(name, []).append(dict(kwargs))

    places = {
        "first": layers.layers[0].cross_attn_token_to_image,
        "second": layers.layers[1].cross_attn_token_to_image,
        "back": layers.layers[1].cross_attn_image_to_token,
    }
    stable = stabilize(backbone, shaken(backbone))
    embedding = backbone.encode(random_image)
    for each in (backbone, stable):
        with stable._plug.attached() if each is stable else torch.no_grad():
            hooks = [
                module.register_forward_pre_hook(watch(name), with_kwargs=True)
                for name, module in places.items()
            ]
            backbone.decode(embedding, POINTS)
            for hook in hooks:
                hook.remove()
    for name, kept in (("first", "query key value"), ("second", "query"), ("back", "query")):
        plain, changed = seen[name]
        assert all(torch.equal(plain[k], changed[k]) for k in kept.split()), name
    plain, changed = seen["second"]
    assert not torch.equal(plain["value"], changed["value"])
    # A key is the feature and its cell's position, which stays.
    position = plain["key"] - plain["value"]
    torch.testing.assert_close(changed["key"] - changed["value"], position, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", [*FAMILIES, "edgetam"])
def test_several_prompts_together_are_answered_as_each_alone(tiny, family, random_image):
    backbone = tiny(family)
    stable = stabilize(backbone, shaken(backbone))
    embeddings = [backbone.encode(random_image), backbone.encode(random_image[::-1].copy())]
    asked = [POINTS, Prompts(np.array([[9, 9], [20, 30]]), np.array([1, 1]))]
    for each in (backbone, stable):
        for multimask in (False, True):
            together = each.decode_batch(embeddings, asked, multimask=multimask)
            for embedding, prompts, found in zip(embeddings, asked, together, strict=True):
                alone = each.decode(embedding, prompts, multimask=multimask)
                torch.testing.assert_close(found.logits, alone.logits, atol=1e-3, rtol=1e-3)
                torch.testing.assert_close(found.iou, alone.iou, atol=1e-3, rtol=1e-3)


def test_a_batch_has_one_kind_of_prompt(tiny, random_image):
    backbone = tiny("sam")
    embedding = backbone.encode(random_image)
    with pytest.raises(InputError, match="2 kinds"):
        backbone.decode_batch([embedding] * 2, [POINTS, ASKED[1]], multimask=False)
    with pytest.raises(InputError, match="1 prompt sets for 2"):
        backbone.decode_batch([embedding] * 2, [POINTS], multimask=False)


def test_gradients_reach_every_parameter_of_the_plugin_and_no_other(tiny, random_image):
    backbone = tiny("sam")
    plugin = shaken(backbone)
    stable = stabilize(backbone, plugin)
    plugin.parts.requires_grad_(True)
    embedding = backbone.encode(random_image)
    (found,) = stable.decode_tensors([embedding], [POINTS], multimask=False)
    found.logits.sum().backward()
    assert all(float(p.grad.abs().sum()) > 0 for p in plugin.parts.parameters())
    assert all(p.grad is None for p in backbone.model.parameters())


def test_mobile_sam_takes_a_plugin_of_sams_width():
    state = parity.state("tinyvit")
    mobile = SamBackbone("mobile", load_mobile_sam(state))
    stable = stabilize(mobile, shaken(mobile))
    embedding = mobile.encode(parity.picture("tinyvit", "test"))
    plain, changed = (b.decode(embedding, ASKED[1], multimask=False) for b in (mobile, stable))
    assert channels(mobile) == 256 and stable.plugin.parts.count == 77_909
    assert not np.array_equal(plain.logits, changed.logits)
    assert np.array_equal(plain.logits, mobile.decode(embedding, ASKED[1], multimask=False).logits)


def test_at_256_channels_it_is_the_papers_size():
    parts = StableParts(256)
    assert parts.count == 77_909
    assert round(parts.count / 1e6, 2) == 0.08
    assert sum(p.numel() for p in parts.sampling.parameters()) == 73_731
    plain = StableParts(256, StableOptions(amplitudes=False))
    assert sum(p.numel() for p in plain.sampling.parameters()) == 73_474


@pytest.mark.parametrize("entry", registry.CATALOG, ids=lambda entry: entry.name)
def test_the_catalogue_says_the_size_of_each_plugin(entry):
    assert entry.plugin_parameters == StableParts(entry.channels).count


def test_the_pocket_models_channels_are_in_the_catalogue(tiny):
    assert channels(tiny("pocket")) == registry.find("pocket").channels


@given(st.integers(0, 10_000), st.integers(2, 6), st.floats(0, 5))
@settings(deadline=None, max_examples=30)
def test_sampling_is_grid_sample_with_borders(seed, side, spread):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(2, side * side, 3, generator=generator)
    offsets = spread * torch.randn(2, side * side, 2, generator=generator)
    cells = torch.arange(side * side)
    places = torch.stack([cells % side, cells // side], dim=1) + offsets
    wanted = F.grid_sample(
        features.transpose(1, 2).unflatten(2, (side, side)),
        ((places + 0.5) / side * 2 - 1)[:, :, None],
        padding_mode="border",
        align_corners=False,
    )
    found = sample(features, offsets)
    torch.testing.assert_close(found, wanted[..., 0].transpose(1, 2), atol=1e-4, rtol=1e-4)


def test_a_grid_of_one_cell_samples_itself():
    features = torch.randn(1, 1, 4)
    assert torch.equal(sample(features, torch.tensor([[[3.0, -2.0]]])), features)


def test_offsets_are_bounded_and_amplitudes_are_up_to_two():
    torch.manual_seed(0)
    sampling = DeformableSampling(4, StableOptions(reach=1.0))
    sampling.offsets.bias.data = torch.tensor([1e4, 0.0, 1e4])
    features = torch.arange(9.0).view(1, 9, 1).expand(1, 9, 4)
    # One cell to the right, never two; the border is its own neighbour; twice as strong.
    wanted = 2 * torch.tensor([1.0, 2, 2, 4, 5, 5, 7, 8, 8])
    assert torch.allclose(sampling(features)[0, :, 0], wanted, atol=1e-5)


def test_routing_by_hand():
    router = Router(2, 3, hard=False)
    assert router(torch.randn(5, 2)).tolist() == [[0.5, 0.5]] * 5
    router.shares.bias.data = torch.tensor([math.log(3.0), 0.0])
    assert router(torch.randn(1, 2))[0].tolist() == pytest.approx([0.75, 0.25])
    hard = Router(2, 3, hard=True)
    hard.load_state_dict(router.state_dict())
    shares = hard(torch.randn(1, 2))
    assert shares[0].tolist() == pytest.approx([1.0, 0.0])
    shares[0, 0].backward()
    assert float(hard.shares.bias.grad.abs().sum()) > 0  # the soft share's gradient


def test_what_the_parts_mix():
    """x' = share * moved + (1 - share) * regular, for the token of the single mask or the mean."""
    torch.manual_seed(0)
    tokens, features = torch.randn(2, 4, 8), torch.randn(2, 9, 8)
    for options in KINDS:
        parts = StableParts(8, options)
        for parameter in parts.parameters():
            parameter.data += 0.3 * torch.randn_like(parameter)
        moved = parts.sampling(features)
        if parts.router is None:
            assert torch.equal(parts(tokens, features), moved)
            continue
        token = tokens[:, 0] if options.routed_by == "single" else tokens.mean(1)
        share = parts.router(token)
        assert torch.allclose(share.sum(1), torch.ones(2))
        wanted = share[:, :1, None] * moved + share[:, 1:, None] * features
        torch.testing.assert_close(parts(tokens, features), wanted)


def test_a_plugin_file_comes_back_as_it_was(tiny, tmp_path, random_image):
    backbone = tiny("sam")
    plugin = replace(
        shaken(backbone, StableOptions(reach=3, routing="hard")), training={"steps": 7}
    )
    path = tmp_path / "plugin.safetensors"
    path.write_bytes(plugin_bytes(plugin))
    again = read_plugin(path)
    assert (again.model, dict(again.training)) == ("tiny-sam", {"steps": 7})
    assert again.parts.options == plugin.parts.options
    some, others = (stabilize(backbone, which) for which in (plugin, path))
    assert all(map(np.array_equal, answers(some, random_image), answers(others, random_image)))
    assert not any(p.requires_grad for p in again.parts.parameters())


def test_the_file_says_how_many_parameters_it_has(tmp_path):
    from safetensors import safe_open

    path = tmp_path / "plugin.safetensors"
    path.write_bytes(plugin_bytes(untrained(256, StableOptions(), "sam-vit-large")))
    with safe_open(path, framework="pt") as stored:
        facts = stored.metadata()
    assert (facts["parameters"], facts["channels"], facts["model"]) == (
        "77909",
        "256",
        "sam-vit-large",
    )


def test_files_that_are_no_plugins_are_named(tiny, tmp_path):
    backbone = tiny("sam")
    with pytest.raises(InputError, match=r"cannot be read.*persam train stable"):
        stabilize(backbone, tmp_path / "absent.safetensors")
    (tmp_path / "text.safetensors").write_text("no tensors")
    with pytest.raises(InputError, match="cannot be read"):
        stabilize(backbone, tmp_path / "text.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="no Stable-SAM plugin"):
        stabilize(backbone, tmp_path / "other.safetensors")
    whole = tmp_path / "whole.safetensors"
    whole.write_bytes(plugin_bytes(untrained(32, StableOptions(), "tiny")))
    tensors = load_file(whole)
    del tensors["router.hidden.weight"]
    facts = {"kind": "persam stable plugin", "channels": "32", "options": "{}", "training": "{}"}
    save_file(tensors, tmp_path / "part.safetensors", facts | {"model": "tiny"})
    with pytest.raises(InputError, match="damaged plugin"):
        stabilize(backbone, tmp_path / "part.safetensors")
    save_file(load_file(whole), tmp_path / "nameless.safetensors", facts)
    with pytest.raises(InputError, match=r"damaged plugin.*'model'"):
        stabilize(backbone, tmp_path / "nameless.safetensors")
    with pytest.raises(InputError, match="cannot be read"):
        stabilize(backbone, tmp_path)


def test_a_plugin_of_another_width_is_refused(tiny):
    with pytest.raises(InputError, match=r"64 channels; tiny-sam has 32"):
        stabilize(tiny("sam"), untrained(64, StableOptions(), "other"))


def test_a_model_without_a_sam_decoder_is_refused(tiny):
    class Bare:
        name = "bare"
        spec = ModelSpec("bare")

    with pytest.raises(InputError, match="bare has none"):
        stabilize(Bare(), untrained(32, StableOptions(), "x"))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "wrong",
    [{"reach": -1}, {"reach": math.inf}, {"width": 0}, {"routing": "mild"}, {"routed_by": "x"}],
)
def test_options_that_make_no_sense(wrong):
    with pytest.raises(InputError):
        StableOptions(**wrong)


def test_load_takes_a_specification(tiny_sam_folder, tmp_path, random_image):
    path = tmp_path / "plugin.safetensors"
    plain = persam.load(str(tiny_sam_folder), device="cpu")
    path.write_bytes(plugin_bytes(shaken(plain)))
    stable = persam.stabilize(plain, path)
    again = persam.load(stable.spec, device="cpu")
    assert again.spec == stable.spec == ModelSpec(str(tiny_sam_folder), plugin=str(path))
    assert all(map(np.array_equal, answers(again, random_image), answers(stable, random_image)))
    assert (plain.ambiguous, stable.ambiguous) == (True, False)


def test_a_reference_by_clicks_goes_through_the_single_mask(tiny, random_image):
    """Two clicks: three masks of the plain model, the plugin's one of the stabilised."""
    backbone = tiny("sam")
    stable = stabilize(backbone, shaken(backbone))
    clicks = [(30, 12), (5, 35)]
    embedding = backbone.encode(random_image)
    asked = Prompts(np.array(clicks), np.ones(2, dtype=np.int64))
    concept = persam.personalize(stable, random_image, points=clicks)
    single = stable.decode(embedding, asked, multimask=False)
    assert concept.references[0].facts["score"] == pytest.approx(float(single.iou[0]))
    three = backbone.decode(embedding, asked)
    plain = persam.personalize(backbone, random_image, points=clicks)
    assert plain.references[0].facts["score"] == pytest.approx(float(three.iou.max()))


def test_the_plugin_of_the_package_belongs_to_the_built_in_model(random_image):
    stable = persam.load("pocket", plugin="pocket-stable", device="cpu")
    plugin = read_plugin("pocket-stable")
    assert (plugin.model, plugin.parts.count) == ("pocket", 22_613)
    assert plugin.parts.count == registry.find("pocket").plugin_parameters
    assert plugin.training["steps"] == 660 and plugin.training["recipe"]["collages"] == 0.5
    embedding = stable.encode(random_image)
    found = stable.decode(embedding, ASKED[1], multimask=False).logits
    plain = persam.load("pocket", device="cpu").decode(embedding, ASKED[1], multimask=False).logits
    assert not np.array_equal(found, plain)


def test_the_package_s_networks_give_way_to_layers(monkeypatch, random_image):
    monkeypatch.setenv("PERSAM_ENGINE", "auto")
    packaged = persam.load("pocket")
    assert type(packaged) is ExportedBackbone  # what a user has without asking for anything
    one = persam.stabilize(packaged, "pocket-stable")
    other = persam.load("pocket", plugin="pocket-stable")
    assert one.engine == other.engine == "torch"
    assert one.spec == other.spec == ModelSpec("pocket", plugin="pocket-stable")
    assert all(map(np.array_equal, answers(one, random_image), answers(other, random_image)))


def test_building_a_plugin_leaves_the_callers_chance_alone():
    torch.manual_seed(5)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    first = untrained(8, StableOptions(), "x").parts.state_dict()
    assert torch.equal(torch.rand(1), wanted)
    second = untrained(8, StableOptions(), "x").parts.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_families_of_the_test_are_all_there():
    assert set(FAMILIES) | {"edgetam"} == {*tiny_models.FAMILIES, "pocket"}
