"""The built-in model: small enough to come with the package, trained by ``persam train pocket``."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError

from persam import geometry
from persam.backbones.pocket_file import read_weights
from persam.backbones.pocket_network import PocketModel
from persam.backbones.prompting import check_embedding, lay, mask_logits, prompt_batch, stack
from persam.errors import InputError
from persam.guidance import check_guidance, guided
from persam.presence import Calibration
from persam.structures import Embedding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.structures import Frame, Guidance, MaskLogits, Prompts

# From `python benchmarks/presence.py DATA --json benchmarks/presence.json`: half of 48 objects.
CALIBRATION = Calibration(middle=0.34, slope=28.6)


class PocketBackbone:
    """The picture fills the whole square, its aspect is not kept.

    Unlike the SAM families it compares objects by features of its own, which no training for
    masks has touched.

    Attributes:
        name: what the model was loaded by; stored in concepts and reports.
        model: on its device, float32; set to evaluation mode and taken over by the adapter.
        square: side of the model's input in pixels.
        mean, std: ``(3,)`` float32 in 0..255, RGB.
        precision: of the image encoder, by autocast; everything given back is float32.
        recipe: what the variant "default" means for this model: it was trained on location priors.
        ambiguous: a click may mean a part as well as the whole.
        calibration: of presence; its matching features are the same whatever it is trained to.
    """

    def __init__(
        self, name: str, model: PocketModel, *, precision: torch.dtype = torch.float32
    ) -> None:
        self.name = name
        self.model = model.eval().requires_grad_(False).channels_last()
        self.square = model.square
        self.mean = np.full(3, 127.5, dtype=np.float32)
        self.std = np.full(3, 127.5, dtype=np.float32)
        self.precision = precision
        self.ambiguous = True
        self.recipe = "pocket"
        self.calibration: Calibration | None = CALIBRATION

    @property
    def device(self) -> torch.device:
        """Where the model lives, and where everything it gives back lives."""
        return self.model.prompt_encoder.not_a_point_embed.weight.device

    def frame(self, height: int, width: int) -> Frame:
        """Stretch a picture of this size over the square."""
        return geometry.fit(height, width, self.square, keep_aspect=False)

    @torch.no_grad()
    def encode(self, image: np.ndarray) -> Embedding:
        """Encode one picture.

        Args:
            image: ``(height, width, 3)`` uint8 RGB, upright.

        Raises:
            InputError: not such an array.
        """
        pixels, frame = lay(image, self)
        lower = self.precision != torch.float32
        with torch.autocast(self.device.type, dtype=self.precision, enabled=lower):
            found = self.model.vision_encoder(pixels.contiguous(memory_format=torch.channels_last))
        extras = tuple(skip.float() for skip in found.high_resolution)
        return Embedding(found.mask.float(), found.matching, frame, extras)

    def decode(
        self,
        embedding: Embedding,
        prompts: Prompts,
        *,
        guidance: Guidance | None = None,
        multimask: bool = True,
    ) -> MaskLogits:
        """Ask the mask decoder once; see :meth:`persam.backbones.sam.SamBackbone.decode`."""
        check_guidance(guidance, embedding.features)
        with guided(self.model.mask_decoder, guidance):
            return self.decode_batch([embedding], [prompts], multimask=multimask)[0]

    def decode_batch(
        self, embeddings: Sequence[Embedding], prompts: Sequence[Prompts], *, multimask: bool
    ) -> list[MaskLogits]:
        """Ask for several; see :meth:`persam.backbones.sam.SamBackbone.decode_batch`."""
        encoder = self.model.prompt_encoder
        for embedding in embeddings:
            check_embedding(embedding, encoder, extras=2)
        asked = prompt_batch(prompts, embeddings, encoder, self.device)
        features, skips = stack(embeddings)
        answer = self.model(features, tuple(skips), asked, multimask=multimask)
        return mask_logits(answer.logits, answer.iou)


def load_pocket(
    path: Path | None = None, *, device: torch.device, precision: torch.dtype
) -> PocketBackbone:
    """Load the weights that came with the package, or others of the same network.

    Args:
        path: of a safetensors file; None for the package's own.
        device: where the model goes.
        precision: of the image encoder.

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
    model = PocketModel()
    differing = set(tensors) ^ set(model.state_dict())
    if differing:
        raise InputError(
            f"{file} does not hold the pocket model's weights: {len(differing)} tensors are "
            f"missing or unknown, for example {sorted(differing)[0]!r}. Train some with "
            f"`persam train pocket`, or take the built-in model."
        )
    model.load_state_dict(tensors)
    return PocketBackbone(
        "pocket" if path is None else str(path), model.to(device), precision=precision
    )
