"""The pocket model's weights on disk: half precision, or eight bits a weight.

With eight bits, every output channel of a convolution or linear layer is stored as whole numbers in
-127..127 beside one scale; small tensors (biases, norms, position codes) stay in half precision.
Either way the model computes in float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save

from persam.io.digest import check_digest, with_digest
from persam.io.writers import write_bytes

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 127
SMALL = 1024  # elements; below, a byte saved is not worth the rounding
SCALE = ".scale"


def write_weights(
    path: Path, tensors: dict[str, torch.Tensor], *, bits: int, metadata: dict[str, str]
) -> None:
    """Write weights with their digest, whole or not at all.

    Args:
        path: of the safetensors file.
        tensors: a model's state.
        bits: 16 or 8, of every weight.
        metadata: kept in the file's head.

    Raises:
        InputError: the file cannot be written.
    """
    write_bytes(path, weight_bytes(tensors, bits=bits, metadata=metadata))


def weight_bytes(tensors: dict[str, torch.Tensor], *, bits: int, metadata: dict[str, str]) -> bytes:
    """What :func:`write_weights` writes."""
    stored: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        if bits == 8 and tensor.numel() >= SMALL:
            stored[name], stored[name + SCALE] = quantise(tensor.float())
        else:
            stored[name] = tensor.half().contiguous()
    return with_digest(save(stored, metadata))


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """What :func:`write_weights` wrote, as float32.

    Raises:
        InputError: the file is not as it was written.
        OSError, safetensors.SafetensorError: the file cannot be read.
    """
    check_digest(path)
    stored = load_file(path)
    return {
        name: tensor.float() * stored[name + SCALE]
        if tensor.dtype == torch.int8
        else tensor.float()
        for name, tensor in stored.items()
        if not name.endswith(SCALE)
    }


def quantise(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Round a weight to eight bits, each output channel on its own scale.

    Args:
        weight: ``(out, ...)``.

    Returns:
        ``(out, ...)`` int8 and the float32 scale ``(out, 1, ...)``. Their product differs from the
        weight by half a scale at most.
    """
    largest = weight.abs().amax(dim=tuple(range(1, weight.ndim)), keepdim=True)
    scale = (largest / LARGEST).clamp(min=torch.finfo(weight.dtype).tiny)
    whole = (weight / scale).round().clamp(-LARGEST, LARGEST)
    return whole.to(torch.int8).contiguous(), scale
