"""Tiny models with random weights, one of every family: real code, no download."""

from __future__ import annotations

import importlib.util
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers

from persam.models.pocket.backbone import PocketBackbone
from persam.models.pocket.network import PocketModel
from persam.models.sam import SamBackbone
from persam.models.sam2 import Sam2Backbone

if TYPE_CHECKING:
    from persam.structures import Prompts

FAMILIES = ("sam", "sam_hq", "sam2", "sam3", "edgetam")
WIDTH = 32
DECODER = {
    "hidden_size": WIDTH,
    "mlp_dim": 24,
    "num_attention_heads": 4,
    "iou_head_hidden_dim": 16,
}


def missing(family: str) -> str:
    """Say why a family cannot be built here; empty where it can."""
    extras = ("timm", "torchvision") if family == "edgetam" else ()
    absent = [name for name in extras if importlib.util.find_spec(name) is None]
    return f"EdgeTAM needs {' and '.join(absent)}: pip install persam[edgetam]" if absent else ""


def build(family: str) -> Any:
    """Build the backbone of one family; the same weights every time."""
    model = randomise(globals()[f"{family}_model"](), seed=7)
    adapters = {"sam": SamBackbone, "sam_hq": SamBackbone, "pocket": PocketBackbone}
    return adapters.get(family, Sam2Backbone)(f"tiny-{family}", model)


def randomise(model: torch.nn.Module, seed: int) -> Any:
    """Draw every weight, large enough that all parts of the model matter to its answers."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in sorted(model.state_dict().items()):
        drawn = torch.randn(tensor.shape, generator=generator)
        if not tensor.is_floating_point():
            continue
        if name.endswith("running_var"):
            drawn = 1 + 0.1 * drawn.abs()
        elif name.endswith("weight") and tensor.ndim == 1:
            drawn = 1 + 0.1 * drawn
        elif "positional_embedding" not in name:
            fan_in = math.prod(tensor.shape[1:]) if tensor.ndim > 1 else 100
            drawn = drawn * _gain(name) / math.sqrt(fan_in)
        tensor.copy_(drawn)
    return model.eval()


def raw_scores(backbone: Any, embedding: Any, prompts: Prompts) -> np.ndarray:
    """Read the IoU head's own scores of all masks, before the model selects or sorts any."""
    caught: list[torch.Tensor] = []
    head = backbone.model.mask_decoder.iou_prediction_head
    hook = head.register_forward_hook(lambda _, __, output: caught.append(output[0, 0]))
    backbone.decode(embedding, prompts)
    hook.remove()
    return caught[0].numpy()


def _gain(name: str) -> float:
    # RepViT's residual branches would otherwise double the features at each of many blocks.
    # SegGPT's last layer would otherwise paint everything about grey.
    gains = {"mask_decoder": 2.0, "timm_model": 0.1, "decoder_pred.head": 4.0}
    return next((gain for part, gain in gains.items() if part in name), 1.0)


def sam_model() -> transformers.SamModel:
    return transformers.SamModel(
        transformers.SamConfig(
            vision_config=_vit(),
            prompt_encoder_config=_prompt(64, 16),
            mask_decoder_config=DECODER,
        )
    )


def pocket_model() -> PocketModel:
    model = PocketModel()
    model.resize(64)
    return model


def sam_hq_model() -> transformers.SamHQModel:
    return transformers.SamHQModel(
        transformers.SamHQConfig(
            vision_config=_vit(),
            prompt_encoder_config=_prompt(64, 16),
            mask_decoder_config=DECODER | {"vit_dim": 24},
        )
    )


def sam2_model() -> transformers.Sam2Model:
    return transformers.Sam2Model(transformers.Sam2Config(**sam2_parts()))


def sam2_parts() -> dict[str, Any]:
    """Give the parts that SAM 2's picture and video configurations share."""
    hiera = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "image_size": [64, 64],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 2, 2],
        "window_size_per_stage": [4, 2, 2, 2],
        "global_attention_blocks": [3],
    }
    vision = {
        "model_type": "sam2_vision_model",
        "backbone_config": hiera,
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        "fpn_hidden_size": WIDTH,
    }
    return {
        "vision_config": vision,
        "prompt_encoder_config": _prompt(64, 16),
        "mask_decoder_config": DECODER,
    }


def sam3_model() -> transformers.Sam3TrackerModel:
    vit = {
        "model_type": "sam3_vit_model",
        "hidden_size": 32,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 56,
        "pretrain_image_size": 28,
        "window_size": 2,
        "global_attn_indexes": [1],
    }
    vision = {
        "model_type": "sam3_vision_model",
        "backbone_config": vit,
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        "fpn_hidden_size": WIDTH,
    }
    return transformers.Sam3TrackerModel(
        transformers.Sam3TrackerConfig(
            vision_config=vision,
            prompt_encoder_config=_prompt(56, 14),
            mask_decoder_config=DECODER,
        )
    )


def edgetam_model() -> transformers.EdgeTamModel:
    repvit = {
        "model_type": "timm_wrapper",
        "architecture": "repvit_m1",
        "num_classes": 2,
        "model_args": {"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
    }
    vision = {
        "model_type": "edgetam_vision_model",
        "backbone_config": repvit,
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        "fpn_hidden_size": WIDTH,
    }
    return transformers.EdgeTamModel(
        transformers.EdgeTamConfig(
            vision_config=vision,
            prompt_encoder_config=_prompt(64, 16),
            mask_decoder_config=DECODER,
        )
    )


def dinov3_model() -> Any:
    """Build a tiny DINOv3 of 16-pixel patches, as published: one class and four register tokens."""
    config = transformers.DINOv3ViTConfig(
        hidden_size=24,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_register_tokens=4,
    )
    return randomise(transformers.DINOv3ViTModel(config), seed=5)


def dinov2_model(*, registers: bool = False) -> Any:
    """Build a tiny DINOv2 for 56 pixels, 4 x 4 patches; not of the SAM families."""
    sizes: dict[str, Any] = {
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "mlp_ratio": 2,
        "image_size": 56,
        "patch_size": 14,
    }
    if registers:
        config = transformers.Dinov2WithRegistersConfig(**sizes, num_register_tokens=3)
        return randomise(transformers.Dinov2WithRegistersModel(config), seed=5)
    return randomise(transformers.Dinov2Model(transformers.Dinov2Config(**sizes)), seed=5)


def seggpt_model() -> Any:
    """Build a tiny SegGPT for pictures of 32 pixels; not of the SAM families."""
    config = transformers.SegGptConfig(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=[64, 32],
        patch_size=8,
        mlp_dim=24,
        pretrain_image_size=32,
        decoder_hidden_size=8,
        merge_index=1,
        intermediate_hidden_state_indices=[1, 2, 3],
    )
    return randomise(transformers.SegGptForImageSegmentation(config), seed=6)


def _vit() -> dict[str, Any]:
    return {
        "hidden_size": 24,
        "output_channels": WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 64,
        "patch_size": 16,
        "window_size": 2,
        "global_attn_indexes": [1],
        "num_pos_feats": WIDTH // 2,
        "mlp_dim": 24,
    }


def _prompt(image_size: int, patch_size: int) -> dict[str, Any]:
    return {"hidden_size": WIDTH, "image_size": image_size, "patch_size": patch_size}
