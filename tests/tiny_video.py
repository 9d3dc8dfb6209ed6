"""Tiny video models with random weights, saved as folders; real code, no download."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tiny
import transformers

from persam import load
from persam.models.sam2 import Sam2Backbone

if TYPE_CHECKING:
    from pathlib import Path

FAMILIES = ("sam2", "edgetam")
# The families' memory attention takes memories of 64 channels, whatever the configuration says.
CHANNELS, WIDTH = 64, 128
WINDOW, POINTERS = 3, 5


def build(family: str) -> Any:
    """Build the video model of one family; the same weights every time.

    EdgeTAM's has SAM 2's image encoder here, so that it needs no further packages; its memory is
    its own.
    """
    return tiny.randomise(globals()[f"_{family}"](), seed=2)


def save(family: str, folder: Path) -> Path:
    """Write the model as published checkpoints are: a folder of the video model."""
    build(family).save_pretrained(folder)
    return folder


def backbone(family: str, folder: Path) -> Sam2Backbone:
    """Load the picture model out of such a folder, as :func:`persam.load` does.

    ``load`` refuses EdgeTAM where the packages of its own image encoder are missing.
    """
    if family == "edgetam":
        return Sam2Backbone(str(folder), transformers.EdgeTamModel.from_pretrained(folder))
    return load(folder, device="cpu")


def clip(frames: int, seed: int = 0) -> list[np.ndarray]:
    """Draw pictures of noise, wider than high, ``(40, 52, 3)`` uint8."""
    random = np.random.RandomState(seed)
    return [random.randint(0, 256, (40, 52, 3), dtype=np.uint8) for _ in range(frames)]


def block(x0: int = 12, y0: int = 10, x1: int = 30, y1: int = 25) -> np.ndarray:
    """Draw the mask of an upright box, last row and column not included."""
    mask = np.zeros((40, 52), dtype=bool)
    mask[y0:y1, x0:x1] = True
    return mask


def _sam2() -> Any:
    attention = {"memory_attention_feed_forward_hidden_size": 24}
    config = transformers.Sam2VideoConfig(**_parts(), **_memory(), **attention, image_size=64)
    return transformers.Sam2VideoModel(config)


def _edgetam() -> Any:
    own = {
        "memory_attention_mlp_hidden_size": 24,
        "memory_attention_rope_k_sizes": [2, 2],
        "perceiver_resampler_num_latents": 4,
        "perceiver_resampler_num_latents_2d": 4,
        "perceiver_resampler_mlp_intermediate_size": 24,
    }
    config = transformers.EdgeTamVideoConfig(**_parts(), **_memory(), **own, image_size=64)
    return transformers.EdgeTamVideoModel(config)


def _parts() -> dict[str, Any]:
    parts = tiny.sam2_parts()
    parts["vision_config"] |= {"fpn_hidden_size": WIDTH}
    parts["prompt_encoder_config"] |= {"hidden_size": WIDTH}
    parts["mask_decoder_config"] = parts["mask_decoder_config"] | {"hidden_size": WIDTH}
    return parts


def _memory() -> dict[str, Any]:
    return {
        "num_maskmem": WINDOW,
        "max_object_pointers_in_encoder": POINTERS,
        "memory_attention_hidden_size": WIDTH,
        "memory_attention_num_layers": 1,
        "memory_attention_rope_feat_sizes": [4, 4],
        "memory_encoder_hidden_size": WIDTH,
        "memory_encoder_output_channels": CHANNELS,
        "mask_downsampler_embed_dim": WIDTH,
        "memory_fuser_embed_dim": WIDTH,
        "memory_fuser_intermediate_dim": 24,
        "memory_fuser_num_layers": 1,
    }
