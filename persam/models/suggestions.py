"""What somebody meant who typed a name that other programs have for a model."""

from __future__ import annotations

import difflib
from pathlib import PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING

from persam.models import registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
        "sam2.1_t": "sam2.1-hiera-tiny",
        "sam2.1_s": "sam2.1-hiera-small",
        "sam2.1_b": "sam2.1-hiera-base-plus",
        "sam2.1_l": "sam2.1-hiera-large",
        "sam_2": "sam2.1-hiera-small",
        "sam_3": "sam3",
        "default": "sam-vit-huge",
        "segment_anything": "sam-vit-base",
        "slimsam": "slimsam-77",
        "medsam": "medsam-vit-base",
        "edge_tam": "edgetam",
    }
)
# Encoders without a mask decoder: they match pictures beside a model, and are none themselves.
# By the beginning of a name, the longest first.
_DINOV3 = "facebook/dinov3-{}-pretrain-lvd1689m"
ENCODERS: Mapping[str, str] = MappingProxyType(
    {
        "dinov2_vitb": "facebook/dinov2-base",
        "dinov2_vitl": "facebook/dinov2-large",
        "dinov3_vitb": _DINOV3.format("vitb16"),
        "dinov3_vitl": _DINOV3.format("vitl16"),
        "dinov2": "facebook/dinov2-small",
        "dinov3": _DINOV3.format("vits16"),
        "dino": "facebook/dinov2-small",
    }
)
# Names that are no model's here, and what is.
OTHERS: Mapping[str, str] = MappingProxyType(
    {
        "persam": "PerSAM is the method, of any model: --method persam.",
        "matcher": "Matcher is a method, of any model: --method matcher.",
        "gf_sam": "GF-SAM is a method, of any model: --method gf-sam.",
        "insid3": "INSID3 is a method, of any model: --method insid3.",
        "seggpt": "SegGPT is a method with a model of its own: --method seggpt.",
        "fastsam": "FastSAM does not run here; mobile-sam is small, too.",
        "efficientsam": "EfficientSAM does not run here; mobile-sam is small, too.",
        "efficient_sam": "EfficientSAM does not run here; mobile-sam is small, too.",
    }
)
# Names of tensors that give a checkpoint's layout away: how one of them begins, and what that is.
LAYOUTS: Mapping[str, str] = MappingProxyType(
    {
        "image_encoder.trunk.": "an official SAM 2 checkpoint. Load sam2.1-hiera-small or a sister",
        "sam_mask_decoder.": "an official SAM 2 checkpoint. Load sam2.1-hiera-small or a sister",
        "vision_encoder.": "the tensors of a transformers model. Give its folder, config.json too",
        "base_model.model.": "a LoRA of peft. Merge it into its model and save that",
        "sampling.project.": "a Stable-SAM plugin. Give it by --plugin, beside its model",
        "embeddings.patch_embeddings.": "a transformers encoder. If a DINO, give its folder "
        "to --match-with",
        "cls_token": "a plain vision transformer without a mask decoder. If a DINO, give "
        "its hub id to --match-with",
        "unet.": "a diffusion model, which makes pictures and no masks",
    }
)


def looks_like(names: Iterable[str]) -> str:
    """A sentence that says what a checkpoint with these tensors is; empty where nobody knows.

    Example:
        >>> looks_like(["image_encoder.trunk.blocks.0.norm1.weight"])
        'It looks like an official SAM 2 checkpoint. Load sam2.1-hiera-small or a sister.'
        >>> looks_like(["left", "right"])
        ''
    """
    every = tuple(names)
    found = (what for sign, what in LAYOUTS.items() if any(one.startswith(sign) for one in every))
    what = next(found, "")
    return what and f"It looks like {what}."


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
        other = next((key for key in OTHERS if word.startswith(key)), None)
        if other is not None:
            return OTHERS[other]
        encoder = next((key for key in ENCODERS if word.startswith(key)), None)
        if encoder is not None:
            title = encoder.partition("_")[0].replace("dino", "DINO")
            which = name.strip() if name.startswith("facebook/") else ENCODERS[encoder]
            return f"{title} has no mask decoder: it goes beside a model, --match-with {which}."
    close = difflib.get_close_matches(
        path.name, [entry.name for entry in registry.CATALOG], n=1
    ) or difflib.get_close_matches(words[0], list(ALIASES), n=1, cutoff=0.8)
    return f"Did you mean {ALIASES.get(close[0], close[0])}?" if close else ""
