"""Models of the real sizes with random weights, as the files and folders that persam.load reads.

What a model costs depends on its shapes, not on what it has learnt; so none needs a download.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import SamConfig, SamModel

from persam.models.files import quiet
from persam.models.tiny_vit import Stage, TinyViT

SEED = 7
VIT: dict[str, dict[str, Any]] = {
    "vit-b": {"width": 768, "layers": 12, "heads": 12, "whole": (2, 5, 8, 11)},
    "vit-l": {"width": 1024, "layers": 24, "heads": 16, "whole": (5, 11, 17, 23)},
    "vit-h": {"width": 1280, "layers": 32, "heads": 16, "whole": (7, 15, 23, 31)},
    "vit-tiny": {"width": 48, "layers": 2, "heads": 2, "whole": (1,), "side": 128},  # dry runs
}
MOBILE: dict[str, tuple[Stage, ...]] = {
    "mobile": (
        Stage(64, 2, 256, merged=128),
        Stage(128, 2, 512, 4, 7, 160),
        Stage(160, 6, 640, 5, 14, 320),
        Stage(320, 2, 1280, 10, 7),
    ),
}
# The decoder of all official models: width, width inside its image attentions, of its MLP.
WIDTH, INNER, HIDDEN = 256, 128, 2048
Shapes = Iterator[tuple[str, tuple[int, ...]]]


def write(name: str, folder: Path) -> Path:
    """Write one of VIT as a transformers folder or of MOBILE as a .pth, and say where it lies."""
    path = folder / (name if name in VIT else f"{name}.pth")
    if path.exists():
        return path
    if name in VIT:
        with torch.device("meta"):
            model = SamModel(SamConfig(**sizes(**VIT[name])))
        model = model.to_empty(device="cpu")
        model.load_state_dict(drawn((key, tuple(t.shape)) for key, t in model.state_dict().items()))
        with quiet():
            model.save_pretrained(path)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(drawn(mobile_tensors(MOBILE[name])), path)
    return path


def sizes(
    width: int, layers: int, heads: int, whole: tuple[int, ...], side: int = 1024
) -> dict[str, Any]:
    """A SAM's configuration in transformers' words; ``whole``: the blocks without windows."""
    vision = {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "global_attn_indexes": list(whole),
        "mlp_dim": 4 * width,
        "image_size": side,
    }
    return {"vision_config": vision, "prompt_encoder_config": {"image_size": side}}


def drawn(shapes: Shapes) -> dict[str, torch.Tensor]:
    """Random weights: matrices that keep the size of what they are given, norms near 1."""
    generator = torch.Generator().manual_seed(SEED)
    return {name: _draw(name, shape, generator) for name, shape in sorted(shapes)}


def _draw(name: str, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    numbers = torch.randn(shape, generator=generator)
    if name.endswith("running_var"):
        return 1 + 0.1 * numbers.abs()
    if name.endswith("weight") and len(shape) == 1:
        return 1 + 0.1 * numbers
    if any(word in name for word in ("gaussian_matrix", "positional_embedding")):
        return numbers
    table = any(word in name for word in ("rel_pos", "pos_embed", "attention_biases"))
    return 0.1 * numbers if table or len(shape) < 2 else numbers / math.sqrt(math.prod(shape[1:]))


def mobile_tensors(stages: tuple[Stage, ...]) -> Shapes:
    """Official names and shapes of a MobileSAM."""
    with torch.device("meta"):
        encoder = TinyViT(stages, WIDTH)
    for name, tensor in encoder.state_dict().items():
        yield f"image_encoder.{name}", tuple(tensor.shape)
    for name, shape in _prompt_encoder():
        yield f"prompt_encoder.{name}", shape
    for name, shape in _mask_decoder():
        yield f"mask_decoder.{name}", shape


def _prompt_encoder() -> Shapes:
    yield "pe_layer.positional_encoding_gaussian_matrix", (2, WIDTH // 2)
    for name in (
        *(f"point_embeddings.{i}" for i in range(4)),
        "not_a_point_embed",
        "no_mask_embed",
    ):
        yield f"{name}.weight", (1, WIDTH)
    yield from _layer("mask_downscaling.0", 4, 1, 2, 2)
    yield from _layer("mask_downscaling.1", 4)
    yield from _layer("mask_downscaling.3", 16, 4, 2, 2)
    yield from _layer("mask_downscaling.4", 16)
    yield from _layer("mask_downscaling.6", WIDTH, 16, 1, 1)


def _mask_decoder() -> Shapes:
    yield "iou_token.weight", (1, WIDTH)
    yield "mask_tokens.weight", (4, WIDTH)
    for block in ("transformer.layers.0", "transformer.layers.1"):
        yield from _attention(f"{block}.self_attn", WIDTH)
        yield from _attention(f"{block}.cross_attn_token_to_image", INNER)
        yield from _attention(f"{block}.cross_attn_image_to_token", INNER)
        yield from _layer(f"{block}.mlp.lin1", HIDDEN, WIDTH)
        yield from _layer(f"{block}.mlp.lin2", WIDTH, HIDDEN)
        for number in range(1, 5):
            yield from _layer(f"{block}.norm{number}", WIDTH)
    yield from _attention("transformer.final_attn_token_to_image", INNER)
    yield from _layer("transformer.norm_final_attn", WIDTH)
    # Transposed convolutions count their outputs second.
    yield "output_upscaling.0.weight", (WIDTH, 64, 2, 2)
    yield "output_upscaling.0.bias", (64,)
    yield from _layer("output_upscaling.1", 64)
    yield "output_upscaling.3.weight", (64, 32, 2, 2)
    yield "output_upscaling.3.bias", (32,)
    for number in range(4):
        yield from _perceptron(f"output_hypernetworks_mlps.{number}", 32)
    yield from _perceptron("iou_prediction_head", 4)


def _layer(name: str, *shape: int) -> Shapes:
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


def _attention(name: str, inner: int) -> Shapes:
    for part in ("q_proj", "k_proj", "v_proj"):
        yield from _layer(f"{name}.{part}", inner, WIDTH)
    yield from _layer(f"{name}.out_proj", WIDTH, inner)


def _perceptron(name: str, out: int) -> Shapes:
    for number, width in enumerate((WIDTH, WIDTH, out)):
        yield from _layer(f"{name}.layers.{number}", width, WIDTH)
