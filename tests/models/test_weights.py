"""Official tensor names and the sizes read from shapes: everything lands, nothing is guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import parity
import pytest
import torch
from transformers import SamHQModel, SamModel

from persam.errors import InputError
from persam.models.sam import SamBackbone
from persam.models.weights import is_official, load_sam, sam_config, to_transformers
from persam.structures import Prompts

if TYPE_CHECKING:
    from collections.abc import Callable

    State = dict[str, torch.Tensor]

HQ_PERCEPTRON = {"0": (32, 32), "1": (32, 32), "2": (4, 32)}


@pytest.fixture
def vit() -> State:
    return parity.state("vit")


def hq(state: State) -> State:
    """Add SAM-HQ's own tensors under their official names."""
    shapes: dict[str, tuple[int, ...]] = {
        "hf_token.weight": (1, 32),
        "compress_vit_feat.0.weight": (48, 32, 2, 2),
        "compress_vit_feat.0.bias": (32,),
        "compress_vit_feat.1.weight": (32,),
        "compress_vit_feat.1.bias": (32,),
        "compress_vit_feat.3.weight": (32, 4, 2, 2),
        "compress_vit_feat.3.bias": (4,),
        "embedding_encoder.0.weight": (32, 8, 2, 2),
        "embedding_encoder.0.bias": (8,),
        "embedding_encoder.1.weight": (8,),
        "embedding_encoder.1.bias": (8,),
        "embedding_encoder.3.weight": (8, 4, 2, 2),
        "embedding_encoder.3.bias": (4,),
        "embedding_maskfeature.0.weight": (8, 4, 3, 3),
        "embedding_maskfeature.0.bias": (8,),
        "embedding_maskfeature.1.weight": (8,),
        "embedding_maskfeature.1.bias": (8,),
        "embedding_maskfeature.3.weight": (4, 8, 3, 3),
        "embedding_maskfeature.3.bias": (4,),
    }
    for layer, shape in HQ_PERCEPTRON.items():
        shapes[f"hf_mlp.layers.{layer}.weight"] = shape
        shapes[f"hf_mlp.layers.{layer}.bias"] = shape[:1]
    return state | {f"mask_decoder.{name}": torch.randn(shape) for name, shape in shapes.items()}


def test_every_official_tensor_has_one_place(vit: State) -> None:
    renamed = to_transformers(vit)
    assert len(renamed) == len(vit) + 1  # the positional matrix is kept twice
    model = load_sam(vit)
    assert isinstance(model, SamModel)
    loaded = model.state_dict()
    assert set(loaded) == set(renamed)
    assert all(torch.equal(loaded[name], tensor) for name, tensor in renamed.items())
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_sizes_come_from_the_shapes(vit: State) -> None:
    config = sam_config(vit)
    vision, decoder = config.vision_config, config.mask_decoder_config
    assert (vision.hidden_size, vision.num_hidden_layers, vision.num_attention_heads) == (48, 4, 3)
    assert (vision.image_size, vision.window_size) == (256, 14)
    assert list(vision.global_attn_indexes) == [1, 3]
    assert (vision.output_channels, decoder.mlp_dim) == (32, 64)


def test_a_shallower_model_loads_as_such(vit: State) -> None:
    shallow = {
        name: tensor
        for name, tensor in vit.items()
        if not name.startswith(("image_encoder.blocks.2", "image_encoder.blocks.3"))
    }
    vision = load_sam(shallow).config.vision_config
    assert vision.num_hidden_layers == 2
    assert list(vision.global_attn_indexes) == [1]


def test_windows_as_wide_as_the_grid_are_global(vit: State) -> None:
    table = vit["image_encoder.blocks.1.attn.rel_pos_h"]
    for block in (0, 2):
        for axis in "hw":
            vit[f"image_encoder.blocks.{block}.attn.rel_pos_{axis}"] = table
    assert list(load_sam(vit).config.vision_config.global_attn_indexes) == [0, 1, 2, 3]


def test_half_precision_files_become_float32(vit: State) -> None:
    model = load_sam({name: tensor.half() for name, tensor in vit.items()})
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_sam_hq_files_load_and_decode(vit: State, random_image: np.ndarray) -> None:
    state = hq(vit)
    model = load_sam(state)
    assert isinstance(model, SamHQModel)
    token = model.state_dict()["mask_decoder.hq_token.weight"]
    assert torch.equal(token, state["mask_decoder.hf_token.weight"])
    backbone = SamBackbone("hq", model)
    answer = backbone.decode(backbone.encode(random_image), Prompts(box=(2, 3, 30, 31)))
    assert np.isfinite(answer.logits).all()


def drop(name: str) -> Callable[[State], State]:
    return lambda state: {key: value for key, value in state.items() if key != name}


def replace(name: str, *shape: int) -> Callable[[State], State]:
    return lambda state: state | {name: torch.zeros(shape)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("image_encoder.neck.1.bias"), "missing.*neck.layer_norm1.bias"),
        (drop("image_encoder.neck.0.weight"), "no usable tensor image_encoder.neck.0.weight"),
        (drop("image_encoder.pos_embed"), "lacks pos_embed"),
        (drop("mask_decoder.iou_token.weight"), "not the tensors of a SAM"),
        (replace("image_encoder.extra", 3), "unknown.*vision_encoder.extra"),
        (replace("prompt_encoder.no_mask_embed.weight", 1, 5), r"no_mask_embed.* is \(1, 5\)"),
        (replace("image_encoder.blocks.1.attn.rel_pos_h", 29, 16), r"rel_pos_h is \(29, 16\)"),
        (lambda _: {}, "got nothing"),
        (lambda _: {"model.weight": torch.zeros(1)}, "got model.weight"),
    ],
)
def test_what_does_not_fit_is_named(
    vit: State, change: Callable[[State], State], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        load_sam(change(vit))


def test_another_image_encoder_needs_its_image_size() -> None:
    state = parity.state("tinyvit")
    assert is_official(state)
    with pytest.raises(InputError, match="image size"):
        sam_config(state)
    config = sam_config(state, 1024)
    assert config.prompt_encoder_config.image_embedding_size == 64
    renamed = to_transformers(state)
    assert "vision_encoder.layers.0.blocks.0.conv1.bn.weight" in renamed
    assert "vision_encoder.neck.0.weight" in renamed
