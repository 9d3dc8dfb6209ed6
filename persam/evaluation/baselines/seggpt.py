"""SegGPT, from transformers: the reference and its mask are the prompt, and nothing is learnt.

It paints the mask of a picture below the prompt's, at 448 pixels for the published model, and knows
no SAM: as a method it ignores the backbone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import SegGptImageProcessorPil

from persam.errors import InputError
from persam.io.images import read_image
from persam.io.masks import read_mask
from persam.models.files import read_folder
from persam.models.loading import choose_device, locate
from persam.pipeline.prompts import mask_box
from persam.prediction import Prediction

if TYPE_CHECKING:
    from persam.io.images import Source
    from persam.models.base import Backbone

CHECKPOINT = "BAAI/seggpt-vit-large"
MODEL_TYPES = {"seggpt": "SegGptForImageSegmentation"}
METHOD = "seggpt"


@dataclass(frozen=True, eq=False)
class SegGpt:
    """SegGPT as a method.

    Attributes:
        name: what the model was loaded by.
        model: transformers' ``SegGptForImageSegmentation`` on its device, frozen.
    """

    name: str
    model: Any

    def __post_init__(self) -> None:
        self.model.eval().requires_grad_(False)

    @property
    def device(self) -> torch.device:
        """Where the model lives."""
        return self.model.device

    @property
    def processor(self) -> SegGptImageProcessorPil:
        """Transformers' own, at the model's size; it needs no torchvision."""
        height, width = self.model.config.image_size  # prompt and picture, one above the other
        return SegGptImageProcessorPil(size={"height": height // 2, "width": width})

    def __call__(self, backbone: Backbone, image: Source, *, mask: Source) -> Prompted:
        """Take a picture and the mask of an object in it as the prompt.

        Args:
            backbone: ignored; SegGPT is a model of its own.
            image: the reference: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array.
            mask: the object in it, wherever above half of its largest grey value.

        Raises:
            InputError: unreadable input, or a mask of another size or empty.
        """
        picture = read_image(image)
        height, width = picture.shape[:2]
        grey = read_mask(mask, (height, width))
        return Prompted(self, picture, grey > grey.max() / 2)


@dataclass(frozen=True, eq=False)
class Prompted:
    """SegGPT with an object to look for.

    Attributes:
        seggpt: the model.
        picture: ``(H, W, 3)`` uint8 RGB, the reference.
        mask: ``(H, W)`` bool, the object in it.
    """

    seggpt: SegGpt
    picture: np.ndarray
    mask: np.ndarray

    method = METHOD
    trained_parameters = 0

    @property
    def backbone(self) -> SegGpt:
        """What gives the masks, for its name and device."""
        return self.seggpt

    @torch.no_grad()
    def segment(self, image: Source) -> Prediction:
        """Find the object in a picture.

        SegGPT estimates no IoU: the score is how brightly it painted the pixels of the mask,
        0.5..1, and 0 where there are none. It takes no points.

        Args:
            image: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array.

        Raises:
            InputError: the picture cannot be read.
        """
        picture = read_image(image)
        processor: Any = self.seggpt.processor  # its stubs do not know SegGPT's keywords
        asked = processor(
            images=picture,
            prompt_images=self.picture,
            prompt_masks=self.mask.astype(np.uint8),
            num_labels=1,  # object white, the rest black
            input_data_format="channels_last",
            return_tensors="pt",
        ).to(self.seggpt.device)
        painted = self.seggpt.model(**asked)
        return _prediction(processor, painted, picture.shape[:2])


def load_seggpt(name: str = CHECKPOINT, *, device: str = "auto") -> SegGpt:
    """Load SegGPT, ready to use as a method.

    Args:
        name: ``CHECKPOINT`` (perhaps with ``@revision``), or a folder that transformers saved.
        device: ``"auto"`` (CUDA, then Apple's MPS, then the CPU) or a torch device.

    Raises:
        ModelNotFound: neither on this machine nor downloadable.
        InputError: another model, a folder that holds no SegGPT, or a device that is not there.
    """
    place = choose_device(device)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        # Said before anything is downloaded: of another model's name it is known without that.
        if name.partition("@")[0] != CHECKPOINT:
            raise InputError(
                f"{name!r} is no SegGPT: expected {CHECKPOINT}, or a folder that transformers "
                f"saved. Give one of these, or leave the model out."
            )
        folder = locate(name) or folder
    return SegGpt(name, read_folder(folder, MODEL_TYPES).to(place))


def _prediction(processor: Any, painted: Any, size: tuple[int, int]) -> Prediction:
    found = processor.post_process_semantic_segmentation(
        painted, target_sizes=[size], num_labels=1, return_segmentation_scores=True
    )[0]
    mask = (found["segmentation"] == 1).cpu().numpy()
    # Squared distances to black and to white, negative: their share is where between it lies.
    black, white = (-found["segmentation_scores"]).sqrt()
    light = (black / (black + white)).cpu().numpy()
    return Prediction(
        mask=mask,
        score=float(light[mask].mean()) if mask.any() else 0.0,
        box=mask_box(mask),
        points=np.zeros((0, 2), dtype=np.int64),
        labels=np.zeros(0, dtype=np.int64),
    )
