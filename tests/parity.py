"""The official code's numbers, kept as fixtures, and the rule that draws their weights.

``weights.json`` lists the tensors by their official names; the numbers come from one seed, so no
checkpoint is needed. The fixtures were made with the official PerSAM classes.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import load_file

FOLDER = Path(__file__).parent / "data" / "parity"


def state(kind: str) -> dict[str, torch.Tensor]:
    """Draw the official-named weights of the ``"vit"`` or ``"tinyvit"`` fixtures."""
    listing = json.loads((FOLDER / kind / "weights.json").read_text())
    random = np.random.RandomState(listing["seed"])
    return {
        name: _draw(name, tuple(shape), random) for name, shape in sorted(listing["keys"].items())
    }


def stages(kind: str, run: str) -> dict[str, np.ndarray]:
    """Read every stage of one run, such as ``("vit", "persam_mask255")``."""
    return load_file(FOLDER / kind / f"{run}.safetensors")


def picture(kind: str, name: str) -> np.ndarray:
    """Read ``reference``, ``test`` (RGB) or ``reference_mask``, ``test_mask`` (grey), uint8."""
    with Image.open(FOLDER / kind / f"{name}.png") as opened:
        return np.array(opened)


def _draw(name: str, shape: tuple[int, ...], random: np.random.RandomState) -> torch.Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    drawn = np.asarray(random.standard_normal(shape)).astype(np.float32)
    return torch.from_numpy(_scale(name, drawn).astype(np.float32))


def _scale(name: str, drawn: np.ndarray) -> np.ndarray:
    last = name.rsplit(".", 1)[-1]
    if "gaussian_matrix" in name:
        return drawn
    if last == "running_var":
        return 1 + 0.1 * np.abs(drawn)
    if last == "weight" and drawn.ndim == 1:
        return 1 + 0.1 * drawn
    if drawn.ndim > 1 and not any(n in name for n in ("rel_pos", "pos_embed", "attention_biases")):
        gain = 2.2 if "mask_decoder" in name else 1.6
        return drawn * gain / math.sqrt(math.prod(drawn.shape[1:]))
    return 0.1 * drawn
