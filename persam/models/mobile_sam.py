"""MobileSAM: a TinyViT image encoder in front of SAM's own decoder (https://arxiv.org/abs/2306.14289).

All sizes are read from the tensors of the official file; the decoder is transformers' SAM.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import torch
from transformers import SamConfig, SamModel

from persam.errors import InputError
from persam.models.tiny_vit import Stage, TinyViT
from persam.models.weights import load_strictly, sam_config, to_transformers

if TYPE_CHECKING:
    from collections.abc import Mapping

SQUARE = 1024
PREFIX = "image_encoder."
SIGNATURE = f"{PREFIX}patch_embed.seq.0.c.weight"
# Left from training on ImageNet; the official file carries it, the encoder never runs it.
CLASSIFIER = (f"{PREFIX}norm_head.", f"{PREFIX}head.")


def is_mobile_sam(state: Mapping[str, torch.Tensor]) -> bool:
    """Tell by the names whether this is a SAM with a TinyViT encoder."""
    return SIGNATURE in state


def load_mobile_sam(state: Mapping[str, torch.Tensor]) -> SamModel:
    """Build a SAM with a TinyViT encoder from the tensors of an official MobileSAM file.

    Args:
        state: official names, as in ``mobile_sam.pt``. Widths, depths, heads and windows are
            free. The ImageNet classifier, which the official file still carries, is left out.

    Returns:
        The model in float32 for 1024-pixel inputs, in evaluation mode.

    Raises:
        InputError: a tensor is missing, unknown or of another shape.
    """
    kept = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
        if not name.startswith(CLASSIFIER)
    }
    config = sam_config(kept, SQUARE)
    if not isinstance(config, SamConfig):
        raise InputError(
            "This is Light HQ-SAM (TinyViT with SAM-HQ's decoder), which is not supported. Use "
            "mobile_sam.pt, or a SAM-HQ with SAM's own ViT."
        )
    encoder = TinyViT(read_stages(kept), kept[f"{PREFIX}neck.0.weight"].shape[0])
    with torch.device("meta"):
        model = SamModel(config)
    model.vision_encoder = cast("Any", encoder)
    load_strictly(model, to_transformers(kept))
    return model.eval().requires_grad_(False)


def read_stages(state: Mapping[str, torch.Tensor]) -> tuple[Stage, ...]:
    """Read the stages' sizes from the tensors of an official MobileSAM file.

    Raises:
        InputError: a tensor that tells a size is missing or has an impossible shape.
    """
    blocks = {tuple(key.split(".")[2:5:2]) for key in state if ".blocks." in key}
    depths = [0] * (1 + max((int(layer) for layer, _ in blocks), default=-1))
    for layer, _ in blocks:
        depths[int(layer)] += 1
    try:
        return tuple(_read_stage(state, layer, depth) for layer, depth in enumerate(depths))
    except (KeyError, ValueError) as error:
        raise InputError(
            f"This looks like a MobileSAM file, but TinyViT's sizes cannot be read from it ({error}"
            "). Expected the names and shapes of the official mobile_sam.pt; download it again."
        ) from error


def _read_stage(state: Mapping[str, torch.Tensor], layer: int, depth: int) -> Stage:
    path = f"{PREFIX}layers.{layer}"
    merge = state.get(f"{path}.downsample.conv1.c.weight")
    merged = None if merge is None else merge.shape[0]
    if f"{path}.blocks.0.conv1.c.weight" in state:
        hidden, width = state[f"{path}.blocks.0.conv1.c.weight"].shape[:2]
        return Stage(width, depth, hidden, merged=merged)
    hidden, width = state[f"{path}.blocks.0.mlp.fc1.weight"].shape
    heads, offsets = state[f"{path}.blocks.0.attn.attention_biases"].shape
    window = math.isqrt(offsets)
    if window**2 != offsets or width % heads:
        raise ValueError(f"{offsets} offsets and {heads} heads of {width} channels in {path}")
    return Stage(width, depth, hidden, heads, window, merged)
