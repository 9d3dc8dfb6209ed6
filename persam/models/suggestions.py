"""What somebody meant who typed a name that other programs have for a model."""

from __future__ import annotations

import difflib
from pathlib import PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING

from persam.models import registry

if TYPE_CHECKING:
    from collections.abc import Mapping

# Names of the official registries, checkpoint files and papers -> what `persam.load` takes.
ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "vit_b": "sam-vit-base",
        "vit_l": "sam-vit-large",
        "vit_h": "sam-vit-huge",
        "vit_t": "mobile-sam",
        "sam": "sam-vit-base",
        "sam1": "sam-vit-base",
        "sam_b": "sam-vit-base",
        "sam_l": "sam-vit-large",
        "sam_h": "sam-vit-huge",
        "sam_vit_b_01ec64": "sam-vit-base",
        "sam_vit_l_0b3195": "sam-vit-large",
        "sam_vit_h_4b8939": "sam-vit-huge",
        "sam_hq": "sam-hq-vit-base",
        "hq_sam": "sam-hq-vit-base",
        "sam_hq_vit_b": "sam-hq-vit-base",
        "sam_hq_vit_l": "sam-hq-vit-large",
        "sam_hq_vit_h": "sam-hq-vit-huge",
        "mobile_sam": "mobile-sam",
        "mobilesam": "mobile-sam",
        "tiny_vit": "mobile-sam",
        "sam2": "sam2.1-hiera-small",
        "sam2.1": "sam2.1-hiera-small",
        "sam2_t": "sam2.1-hiera-tiny",
        "sam2_s": "sam2.1-hiera-small",
        "sam2_b": "sam2.1-hiera-base-plus",
        "sam2_l": "sam2.1-hiera-large",
        "sam2_hiera_tiny": "sam2-hiera-tiny",
        "sam2_hiera_large": "sam2-hiera-large",
        "sam2.1_hiera_tiny": "sam2.1-hiera-tiny",
        "sam2.1_hiera_small": "sam2.1-hiera-small",
        "sam2.1_hiera_base_plus": "sam2.1-hiera-base-plus",
        "sam2.1_hiera_large": "sam2.1-hiera-large",
        "sam_3": "sam3",
        "slimsam": "slimsam-77",
        "medsam": "medsam-vit-base",
        "edge_tam": "edgetam",
    }
)
# Encoders without a mask decoder: they match pictures beside a model, and are none themselves.
ENCODERS: Mapping[str, str] = MappingProxyType(
    {
        "dino": "facebook/dinov2-small",
        "dinov2": "facebook/dinov2-small",
        "dinov3": "facebook/dinov3-vits16-pretrain-lvd1689m",
    }
)


def meant(name: str) -> str:
    """A sentence that says what a name may have meant; empty where nothing is near.

    Example:
        >>> meant("vit_b"), meant("sam_vit_b_01ec64.pth"), meant("sam-vit-hug")
        ('Did you mean sam-vit-base?', 'Did you mean sam-vit-base?', 'Did you mean sam-vit-huge?')
        >>> meant("dinov2")
        'DINOv2 has no mask decoder: it goes beside a model, --match-with facebook/dinov2-small.'
    """
    path = PurePath(name.strip().lower().replace("\\", "/"))
    stem = path.stem if path.suffix in (".pth", ".pt", ".safetensors", ".bin", ".ckpt") else ""
    words = [word.replace("-", "_") for word in (path.name, stem) if word]
    for word in words:
        if word in ALIASES:
            return f"Did you mean {ALIASES[word]}?"
        encoder = next((key for key in reversed(list(ENCODERS)) if word.startswith(key)), None)
        if encoder is not None:
            title = encoder.replace("dino", "DINO")
            return (
                f"{title} has no mask decoder: it goes beside a model, "
                f"--match-with {ENCODERS[encoder]}."
            )
    close = difflib.get_close_matches(
        path.name, [entry.name for entry in registry.CATALOG], n=1
    ) or difflib.get_close_matches(words[0], list(ALIASES), n=1, cutoff=0.8)
    return f"Did you mean {ALIASES.get(close[0], close[0])}?" if close else ""
