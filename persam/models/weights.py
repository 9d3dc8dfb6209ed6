"""Original ``.pth`` tensor names of the SAM family -> transformers names.

Names only: a state dict in, a state dict or a model out. Reading files is the loader's work.
Whatever has the official layout loads: SAM ViT-B/L/H, MedSAM, pruned copies, SAM-HQ. An image
encoder of another kind (MobileSAM's) keeps its own tensor names behind transformers' prefix.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch
from transformers import SamHQConfig, SamHQModel, SamModel

from persam.errors import InputError
from persam.models.checkpoint_sizes import (
    POSITION,
    has_vit,
    is_official,
    require_official,
    sam_config,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "has_vit",
    "is_official",
    "load_sam",
    "load_strictly",
    "sam_config",
    "to_transformers",
]

State = dict[str, torch.Tensor]

_VISION = (
    (r"\.blocks\.", ".layers."),
    (r"\.norm(\d)\.", r".layer_norm\1."),
    (r"\.patch_embed\.proj\.", ".patch_embed.projection."),
    (r"\.neck\.0\.", ".neck.conv1."),
    (r"\.neck\.1\.", ".neck.layer_norm1."),
    (r"\.neck\.2\.", ".neck.conv2."),
    (r"\.neck\.3\.", ".neck.layer_norm2."),
)
_PROMPT = (
    (r"\.mask_downscaling\.0\.", ".mask_embed.conv1."),
    (r"\.mask_downscaling\.1\.", ".mask_embed.layer_norm1."),
    (r"\.mask_downscaling\.3\.", ".mask_embed.conv2."),
    (r"\.mask_downscaling\.4\.", ".mask_embed.layer_norm2."),
    (r"\.mask_downscaling\.6\.", ".mask_embed.conv3."),
    (r"\.point_embeddings\.", ".point_embed."),
    (
        r"\.pe_layer\.positional_encoding_gaussian_matrix$",
        ".shared_embedding.positional_embedding",
    ),
)
_DECODER = (
    (r"\.norm(\d)\.", r".layer_norm\1."),
    (r"\.norm_final_attn\.", ".layer_norm_final_attn."),
    (r"\.output_upscaling\.0\.", ".upscale_conv1."),
    (r"\.output_upscaling\.1\.", ".upscale_layer_norm."),
    (r"\.output_upscaling\.3\.", ".upscale_conv2."),
    (r"\.hf_token\.", ".hq_token."),
    (r"\.hf_mlp\.", ".hq_mask_mlp."),
    (r"\.compress_vit_feat\.0\.", ".compress_vit_conv1."),
    (r"\.compress_vit_feat\.1\.", ".compress_vit_norm."),
    (r"\.compress_vit_feat\.3\.", ".compress_vit_conv2."),
    (r"\.embedding_encoder\.0\.", ".encoder_conv1."),
    (r"\.embedding_encoder\.1\.", ".encoder_norm."),
    (r"\.embedding_encoder\.3\.", ".encoder_conv2."),
    (r"\.embedding_maskfeature\.0\.", ".mask_conv1."),
    (r"\.embedding_maskfeature\.1\.", ".mask_norm."),
    (r"\.embedding_maskfeature\.3\.", ".mask_conv2."),
)
_PERCEPTRON = re.compile(r"(.*(?:iou_prediction_head|hypernetworks_mlps\.\d+|hq_mask_mlp))\.layers")


def to_transformers(state: Mapping[str, torch.Tensor]) -> State:
    """Rename the tensors of an official file for ``SamModel`` or ``SamHQModel``.

    Args:
        state: official names, as in segment-anything's ``.pth`` files.

    Returns:
        A new dict over the same tensors, none left out; the positional matrix appears twice,
        since transformers keeps it in two places.

    Raises:
        InputError: the state does not look like a SAM file.

    Example:
        >>> to_transformers({
        ...     "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix": torch.zeros(2, 4),
        ...     "mask_decoder.iou_token.weight": torch.zeros(1, 8),
        ...     "image_encoder.neck.0.weight": torch.zeros(8, 4, 1, 1),
        ...     "image_encoder.patch_embed.proj.weight": torch.zeros(4, 3, 2, 2),
        ... })["vision_encoder.neck.conv1.weight"].shape
        torch.Size([8, 4, 1, 1])
    """
    require_official(state)
    renamed = {_rename(name, vit=has_vit(state)): tensor for name, tensor in state.items()}
    renamed["shared_image_embedding.positional_embedding"] = state[POSITION]
    return _rename_perceptrons(renamed)


def load_sam(state: Mapping[str, torch.Tensor]) -> SamModel | SamHQModel:
    """Build a SAM or SAM-HQ from the tensors of an official file, all of them and no others.

    Returns:
        The model in float32 on the tensors' device, in evaluation mode.

    Raises:
        InputError: a name or shape does not fit; the message gives the first ones.
    """
    config = sam_config(state)
    # Built without memory first: random initial weights for 600 million numbers take seconds.
    with torch.device("meta"):
        model = SamHQModel(config) if isinstance(config, SamHQConfig) else SamModel(config)
    named = {name: tensor.float() for name, tensor in to_transformers(state).items()}
    load_strictly(model, named)
    return model.eval().requires_grad_(False)


def load_strictly(model: torch.nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Put tensors into a model: every name must have its place and every place its tensor.

    Args:
        model: may live on the meta device; it takes over the tensors themselves.
        state: tensors under the model's own names.

    Raises:
        InputError: a name or shape does not fit; the message gives the first ones.
    """
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items()}
    surplus = sorted(set(state) - set(wanted))
    missing = sorted(set(wanted) - set(state))
    misshapen = [
        f"{name} is {tuple(state[name].shape)} instead of {tuple(shape)}"
        for name, shape in wanted.items()
        if name in state and state[name].shape != shape
    ]
    for what, names in (("unknown", surplus), ("missing", missing), ("misshapen", misshapen)):
        if names:
            raise InputError(
                f"These weights do not fit {type(model).__name__}: {len(names)} {what} tensors, "
                f"the first: {'; '.join(names[:3])}. Give a complete, unchanged model file."
            )
    model.load_state_dict(state, strict=True, assign=True)


def _rename(name: str, *, vit: bool) -> str:
    part = name.split(".", 1)[0]
    rules = {"image_encoder": _VISION if vit else (), "prompt_encoder": _PROMPT}
    for pattern, replacement in rules.get(part, _DECODER):
        name = re.sub(pattern, replacement, name)
    return re.sub(r"^image_encoder\.", "vision_encoder.", name)


def _rename_perceptrons(state: State) -> State:
    """Rename ``layers.0 .. layers.n`` of the small heads: proj_in, layers.0 .., proj_out."""
    last: dict[str, int] = {}
    for name in state:
        if found := _PERCEPTRON.match(name):
            index = int(name[found.end() + 1 :].split(".")[0])
            last[found[1]] = max(last.get(found[1], 0), index)
    return {_rename_layer(name, last): tensor for name, tensor in state.items()}


def _rename_layer(name: str, last: Mapping[str, int]) -> str:
    found = _PERCEPTRON.match(name)
    if not found:
        return name
    text, kind = name[found.end() + 1 :].split(".", 1)
    index = int(text)
    middle = "proj_out" if index == last[found[1]] else f"layers.{index - 1}"
    return f"{found[1]}.{'proj_in' if index == 0 else middle}.{kind}"
