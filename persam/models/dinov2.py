"""Another model's features for telling objects apart, in front of any SAM backbone's decoder.

DINOv2 and DINOv3, which transformers calls alike.

The later version of the paper compares pictures by DINOv2 features on the one-shot benchmarks.
They decide where the object is, and so the points and the guide. Masks, the decoder's features and
the target embedding that prompts it stay SAM's, since they have to live in SAM's own space.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from persam import geometry
from persam.errors import InputError
from persam.models.files import read_folder
from persam.models.identity import identity
from persam.models.runtime.torch_engine import KINDS
from persam.models.tensors import to_array, to_tensor
from persam.models.wrapped_backbone import WrappedBackbone
from persam.structures import Embedding, Frame, LaterMaps, Maps

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from persam.models.base import Backbone
    from persam.structures import Calibration, Preprocessed

# config.json's model_type -> transformers class.
MODEL_TYPES = {
    "dinov2": "Dinov2Model",
    "dinov2_with_registers": "Dinov2WithRegistersModel",
    "dinov3_vit": "DINOv3ViTModel",
}
# DINOv3's rotary positions fit any size; the 224 pixels in its configuration give 14 x 14 patches,
# too few to find a small object by. 48 x 48 are between SAM's 64 x 64 and DINOv2's 37 x 37.
SIDES = {"dinov3_vit": 768}
# ImageNet's numbers, as DINOv2's own processor has them, in 0..255 and RGB.
MEAN = np.array((123.675, 116.28, 103.53), dtype=np.float32)
STD = np.array((58.395, 57.12, 57.375), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Matcher:
    """A DINOv2 or DINOv3 model: pictures -> features of its patches.

    Attributes:
        name: what it was loaded by.
        model: on its device, float32, frozen.
        precision: by autocast; the features are float32.
    """

    name: str
    model: Any
    precision: str = "fp32"

    def __post_init__(self) -> None:
        self.model.eval().requires_grad_(False)

    @property
    def square(self) -> int:
        """Side of the input in pixels, whole patches: 518 for DINOv2, 768 for DINOv3."""
        config = self.model.config
        side = SIDES.get(config.model_type, config.image_size)
        return max(1, side // config.patch_size) * config.patch_size

    def preprocess(self, image: np.ndarray, frame: Frame) -> np.ndarray:
        """Bring a picture into this model's square as it lies in another's.

        Padding is where the other model has it, so that both grids cover the same ground.

        Args:
            image: ``(height, width, 3)`` uint8 RGB, upright.
            frame: how the picture lies in the other model's square.

        Returns:
            ``(1, 3, square, square)`` float32.
        """
        return geometry.letterbox(image, scaled(frame, self.square), MEAN, STD)

    @torch.no_grad()
    def features(self, pixels: np.ndarray) -> np.ndarray:
        """Encode what :meth:`preprocess` gave.

        Returns:
            ``(1, d, h, w)`` float32 of the last layer's patches; 37 x 37 for 518 pixels.
        """
        place = self.model.device
        lower = self.precision != "fp32"
        with torch.autocast(place.type, dtype=KINDS[self.precision], enabled=lower):
            tokens = self.model(to_tensor(pixels, place)).last_hidden_state
        side = self.square // self.model.config.patch_size
        # Class and register tokens come first.
        patches = tokens[:, -side * side :].float()
        return to_array(patches.transpose(1, 2).reshape(1, -1, side, side))


class MatchedBackbone(WrappedBackbone):
    """A SAM backbone whose embeddings are compared by another model's features.

    Attributes:
        spec: the SAM backbone's, and the matcher's name.
        model: the SAM backbone's, where it has one.
        square, mean, std, recipe: the SAM backbone's.
        calibration: None.
    """

    def __init__(self, backbone: Backbone, matcher: Matcher) -> None:
        super().__init__(backbone, replace(backbone.spec, match_with=matcher.name))
        # Likeness by the matcher's features is another thing than by the model's own.
        self.calibration: Calibration | None = None
        self._matcher = matcher

    def preprocess(self, image: np.ndarray) -> Preprocessed:
        """Bring a picture into both models' squares, the matcher's last.

        Raises:
            InputError: not an upright ``(height, width, 3)`` uint8 RGB array.
        """
        picture = self._backbone.preprocess(image)
        more = self._matcher.preprocess(image, picture.frame)
        return replace(picture, pixels=(*picture.pixels, more))

    def encode_preprocessed(self, pictures: Sequence[Preprocessed]) -> list[Embedding]:
        """Encode what :meth:`preprocess` gave, with both models.

        On a processor, where a batch is no quicker, each model is asked when its maps are read.
        """
        own = [replace(one, pixels=one.pixels[:-1]) for one in pictures]
        match = [partial(self._matcher.features, one.pixels[-1]) for one in pictures]
        if self.device == "cpu":
            return [
                Embedding(LaterMaps(matching, partial(self._decoder_maps, one)), one.frame)
                for matching, one in zip(match, own, strict=True)
            ]
        encoded = self._backbone.encode_preprocessed(own)
        return [
            replace(one, maps=Maps(one.features, matching(), one.extras))
            for matching, one in zip(match, encoded, strict=True)
        ]

    def _decoder_maps(self, picture: Preprocessed) -> tuple[np.ndarray, ...]:
        return self._backbone.encode_preprocessed([picture])[0].decoder_maps

    @property
    def identity(self) -> str:
        """Names all that decides an embedding: both models' weights."""
        words = (self._backbone.identity, self._matcher.precision)
        return identity(words, self._matcher.model, self._matcher.square)


def load_matcher(
    folder: Path | None, name: str, *, device: torch.device, precision: str
) -> Matcher:
    """Load a DINOv2 or DINOv3 model and put it on a device.

    Args:
        folder: as transformers saved it; None for a model that has none (the built-in one).
        name: what the user asked for; the matcher keeps it.
        device: where the model goes.
        precision: of its numbers while it encodes.

    Raises:
        InputError: not a folder of a DINOv2 or DINOv3 model, or incomplete.
    """
    if folder is None or not folder.is_dir():
        raise InputError(
            f"{name!r} is no model to match with: expected a DINOv2 or DINOv3 model, as "
            f"facebook/dinov2-large, or a folder that transformers saved."
        )
    return Matcher(name, read_folder(folder, MODEL_TYPES).to(device), precision)


def scaled(frame: Frame, square: int) -> Frame:
    """The same picture, placed likewise in a square of another side.

    Example:
        >>> scaled(Frame(480, 640, (768, 1024), 1024), 512).resized
        (384, 512)
    """
    height, width = (max(1, round(side * square / frame.square)) for side in frame.resized)
    return Frame(frame.height, frame.width, (height, width), square)
