"""How large a SAM is, read from the shapes of its tensors under their official names.

So any file of segment-anything's layout finds its configuration without being listed anywhere.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from transformers import SamConfig, SamHQConfig

from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

Sizes = dict[str, Any]

# Not visible in any shape: the official builders always use these.
DECODER_HEADS = 8
# torch's own default, which the official decoder blocks keep; transformers would take 1e-6.
DECODER_LAYER_NORM_EPS = 1e-5

_FIRST_PATCH = "image_encoder.patch_embed.proj.weight"
POSITION = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
_HQ_TOKEN = "mask_decoder.hf_token.weight"  # noqa: S105 - a tensor's name, not a secret


def is_official(state: Mapping[str, torch.Tensor]) -> bool:
    """Tell whether these are tensors of a SAM, SAM-HQ or MobileSAM file, by their names."""
    return POSITION in state and "mask_decoder.iou_token.weight" in state


def has_vit(state: Mapping[str, torch.Tensor]) -> bool:
    """Tell whether the image encoder is SAM's own ViT (False for MobileSAM's TinyViT)."""
    return _FIRST_PATCH in state


def sam_config(
    state: Mapping[str, torch.Tensor], image_size: int | None = None
) -> SamConfig | SamHQConfig:
    """Read every size of a SAM from the shapes of its tensors.

    Args:
        state: official names.
        image_size: side of the model's input in pixels. Needed where the image encoder is not
            SAM's ViT; its configuration is then a stand-in without layers, to be replaced.

    Returns:
        ``SamHQConfig`` where SAM-HQ's token is present, else ``SamConfig``.

    Raises:
        InputError: not a SAM file, or a size that no tensor tells.
    """
    require_official(state)
    vision = _vit_sizes(state) if has_vit(state) else _stand_in_sizes(state, image_size)
    prompt = {
        "hidden_size": _size(state, "mask_decoder.iou_token.weight", 1),
        "image_size": vision["image_size"],
        "patch_size": vision["patch_size"],
        "mask_input_channels": _size(state, "prompt_encoder.mask_downscaling.3.weight", 0),
        "num_point_embeddings": _count(state, r"prompt_encoder\.point_embeddings\.(\d+)\."),
    }
    decoder = _decoder_sizes(state)
    family = SamConfig
    if _HQ_TOKEN in state:
        family, decoder = SamHQConfig, decoder | {"vit_dim": vision["hidden_size"]}
    return family(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)


def require_official(state: Mapping[str, torch.Tensor]) -> None:
    """Raise InputError, naming what came, where these are not the tensors of a SAM file."""
    if not is_official(state):
        first = ", ".join(sorted(state)[:3]) or "nothing"
        raise InputError(
            f"These are not the tensors of a SAM file: expected {POSITION} and the like, got "
            f"{first}. Give a .pth of segment-anything's layout or a transformers folder."
        )


def _vit_sizes(state: Mapping[str, torch.Tensor]) -> Sizes:
    width, channels, patch = (_size(state, _FIRST_PATCH, axis) for axis in range(3))
    blocks = _count(state, r"image_encoder\.blocks\.(\d+)\.")
    names = [f"image_encoder.blocks.{i}.attn.rel_pos_h" for i in range(blocks)]
    tables = [state[name] for name in names if name in state]
    if "image_encoder.pos_embed" not in state or len(tables) != blocks or not blocks:
        raise InputError(
            "The image encoder lacks pos_embed or rel_pos_h tensors, which tell the image size, "
            "heads and windows. Convert it to a transformers folder with a config.json instead."
        )
    grid = _size(state, "image_encoder.pos_embed", 1)
    # A table covers the distances -(side - 1) .. side - 1 of its block's window.
    reach = [(table.shape[0] + 1) // 2 for table in tables]
    window = min(reach)
    return {
        "hidden_size": width,
        "num_channels": channels,
        "patch_size": patch,
        "image_size": grid * patch,
        "num_hidden_layers": blocks,
        "num_attention_heads": width // _size(state, names[0], 1),
        "mlp_dim": _size(state, "image_encoder.blocks.0.mlp.lin1.weight", 0),
        "qkv_bias": "image_encoder.blocks.0.attn.qkv.bias" in state,
        "window_size": window,
        # A window of the whole grid and no window are the same attention.
        "global_attn_indexes": [i for i, side in enumerate(reach) if side > window or side == grid],
        **_shared_sizes(state, "image_encoder.neck.0.weight"),
    }


def _stand_in_sizes(state: Mapping[str, torch.Tensor], image_size: int | None) -> Sizes:
    if image_size is None:
        raise InputError(
            "The image encoder is not SAM's ViT, so its tensors do not tell the image size. "
            "Load MobileSAM files with persam.load(), which knows it."
        )
    return {
        "hidden_size": 8,
        "num_attention_heads": 1,
        "num_hidden_layers": 0,
        "global_attn_indexes": [],
        "image_size": image_size,
        "patch_size": 16,
        **_shared_sizes(state, "image_encoder.neck.0.weight"),
    }


def _shared_sizes(state: Mapping[str, torch.Tensor], neck: str) -> Sizes:
    return {
        "output_channels": _size(state, neck, 0),
        "num_pos_feats": _size(state, POSITION, 1),
    }


def _decoder_sizes(state: Mapping[str, torch.Tensor]) -> Sizes:
    block = "mask_decoder.transformer.layers.0"
    head = "mask_decoder.iou_prediction_head.layers"
    width = _size(state, "mask_decoder.iou_token.weight", 1)
    return {
        "hidden_size": width,
        "mlp_dim": _size(state, f"{block}.mlp.lin1.weight", 0),
        "num_hidden_layers": _count(state, r"mask_decoder\.transformer\.layers\.(\d+)\."),
        "num_attention_heads": DECODER_HEADS,
        "attention_downsample_rate": width
        // _size(state, f"{block}.cross_attn_token_to_image.q_proj.weight", 0),
        "num_multimask_outputs": _size(state, "mask_decoder.mask_tokens.weight", 0) - 1,
        "iou_head_depth": _count(state, r"mask_decoder\.iou_prediction_head\.layers\.(\d+)\."),
        "iou_head_hidden_dim": _size(state, f"{head}.0.weight", 0),
        "layer_norm_eps": DECODER_LAYER_NORM_EPS,
    }


def _size(state: Mapping[str, torch.Tensor], name: str, axis: int) -> int:
    if name not in state or state[name].ndim <= axis:
        raise InputError(
            f"These weights have no usable tensor {name}, which tells a size of the model. "
            "Give a complete, unchanged model file."
        )
    return state[name].shape[axis]


def _count(state: Mapping[str, torch.Tensor], pattern: str) -> int:
    indexes = [int(found[1]) for name in state if (found := re.match(pattern, name))]
    return max(indexes, default=-1) + 1
