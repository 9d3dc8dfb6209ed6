"""Start the engine of an image encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persam.models.runtime.choice import PACKAGES
from persam.models.runtime.converted_encoder import ConvertedEncoder
from persam.models.runtime.convertible import ENCODER, Convertible
from persam.models.runtime.programs import converted
from persam.models.runtime.torch_engine import TorchEngine

if TYPE_CHECKING:
    import torch

    from persam.models.runtime.choice import Engine, RuntimeChoice


def start(network: torch.nn.Module, pixels: torch.Tensor, choice: RuntimeChoice) -> Engine:
    """Start the engine of an encoder.

    Args:
        network: in evaluation mode: ``(n, 3, s, s)`` -> a tuple of maps.
        pixels: ``(1, 3, s, s)``, any, on the network's device: what it will be asked.
        choice: settled.

    Raises:
        MissingExtra: the engine's packages are not installed.
        InputError: the network cannot be converted for the engine, or the CPU lacks the format.
    """
    if choice.engine in PACKAGES:
        wanted = Convertible(ENCODER, network, {"pixels": pixels})
        file = converted(wanted, choice.engine)
        return ConvertedEncoder(choice.engine, file, choice.precision)
    return TorchEngine(network, choice.precision, compiled=choice.engine == "compile")
