"""The built-in model: small enough to come with the package, trained by ``persam train pocket``."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError

from persam.errors import InputError
from persam.models.adapter import Adapter
from persam.models.pocket.network import PocketModel
from persam.models.pocket.weights_file import read_weights
from persam.models.runtime.convertible import MASKS, MATCHING, SHARED, Convertible
from persam.models.tensors import mask_logits, prompt_batch, stack
from persam.structures import Calibration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from persam.models.pocket.encoder import PocketEncoder
    from persam.structures import Embedding, MaskLogits, Prompts

# From `python benchmarks/presence.py DATA --json benchmarks/presence.json`: half of 48 objects.
CALIBRATION = Calibration(middle=0.318, slope=29.0)
FIRST_GENERATION = Calibration(middle=0.34, slope=28.6)  # of MobileNetV2's features alone


class FlatEncoder(torch.nn.Module):
    """The pocket encoder's named maps in a row: decoder's, matching, then the finer two."""

    def __init__(self, model: PocketModel) -> None:
        super().__init__()
        self.encoder = model.vision_encoder

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """``(n, 3, s, s)`` -> the maps of :class:`~persam.models.pocket.network.Features`."""
        found = self.encoder(pixels)
        return found.mask, found.matching, *found.high_resolution


class _EncoderPart(torch.nn.Module):
    """A part of the pocket encoder as a network of its own."""

    def __init__(self, encoder: PocketEncoder, way: Callable[..., Any]) -> None:
        super().__init__()
        self.encoder, self._way = encoder, way  # whose weights the way goes through

    def forward(self, *inputs: torch.Tensor) -> Any:
        """What the part gives."""
        return self._way(*inputs)

    def extra_repr(self) -> str:
        """Tells parts of the same weights apart, also where conversions of them are kept."""
        return self._way.__name__


class PocketBackbone(Adapter):
    """The picture fills the whole square, its aspect is not kept.

    Unlike the SAM families it compares objects by features of its own, which no training for
    masks has touched, so that its calibration of presence holds whatever it is trained to.
    """

    family = "pocket"
    recipe = "pocket"  # it was trained on location priors
    calibration: Calibration | None = CALIBRATION
    own_matching = True
    extras = 2
    draws_prompts = True

    def __init__(self, name: str, model: PocketModel, *, precision: str = "fp32") -> None:
        model.eval().requires_grad_(False).channels_last()
        super().__init__(name, model, FlatEncoder(model), precision)
        if model.vision_encoder.lite is None:
            self.calibration = FIRST_GENERATION
        self.mean = np.full(3, 127.5, dtype=np.float32)
        self.std = np.full(3, 127.5, dtype=np.float32)

    def answer(
        self, embeddings: Sequence[Embedding], prompts: Sequence[Prompts], *, multimask: bool
    ) -> list[MaskLogits]:
        """Ask for several; see :meth:`persam.models.adapter.Adapter.answer`."""
        asked = prompt_batch(prompts, embeddings, self.sizes, self.place)
        features, skips = stack(embeddings, self.place)
        answer = self.model(features, tuple(skips), asked, multimask=multimask)
        return mask_logits(answer.logits, answer.iou)


def encoder_parts(model: PocketModel) -> tuple[Convertible, ...]:
    """The encoder as three networks, each as :class:`PocketEncoder` says.

    An album's absent photos cost the first two alone, a second look the first and the last.
    """
    encoder = model.vision_encoder
    blank = torch.zeros(1, 3, model.square, model.square)
    with torch.no_grad():
        maps = encoder.shared(blank)
    names = [f"map_{number}" for number in range(len(maps))]
    shared = dict(zip(names, maps, strict=True))
    return (
        Convertible(
            SHARED, _EncoderPart(encoder, encoder.shared), {"pixels": blank}, (), tuple(names)
        ),
        Convertible(MATCHING, _EncoderPart(encoder, encoder.matching), shared),
        Convertible(MASKS, _EncoderPart(encoder, encoder.masks), shared),
    )


def load_pocket(path: Path | None = None, *, device: torch.device | str) -> PocketBackbone:
    """Load the weights that came with the package, or others of the same network.

    Args:
        path: of a safetensors file; None for the package's own.
        device: where the model goes.

    Raises:
        InputError: a file that does not hold this network's weights.
    """
    file = path or Path(str(resources.files("persam.weights") / "pocket.safetensors"))
    try:
        tensors = read_weights(file)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"The pocket model's weights cannot be read from {file}: {error}"
        ) from error
    second = any(name.startswith("vision_encoder.lite.") for name in tensors)
    model = PocketModel(second=second)
    differing = set(tensors) ^ set(model.state_dict())
    if differing:
        raise InputError(
            f"{file} does not hold the pocket model's weights: {len(differing)} tensors are "
            f"missing or unknown, for example {sorted(differing)[0]!r}. Train some with "
            f"`persam train pocket`, or take the built-in model."
        )
    model.load_state_dict(tensors)
    return PocketBackbone("pocket" if path is None else str(path), model.to(device))
