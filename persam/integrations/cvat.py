"""CVAT's auto-annotation function: masks of learnt objects.

``cvat-cli task auto-annotate ID --function-module persam.integrations.cvat
-p concept=str:dog.safetensors`` finds what ``persam learn`` has learnt in every frame of a task.

Every object is a label of its concept's name; the task needs labels of these names.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from persam.errors import MissingExtra
from persam.integrations.open_concepts import open_concepts
from persam.io.labels import ERROR
from persam.io.labels.outlines import has_holes, rings_of

if TYPE_CHECKING:
    from PIL import Image

    from persam.integrations.open_concepts import OpenConcepts
    from persam.prediction import Prediction


def create(concept: str, device: str = "auto", polygon_error: float = ERROR) -> CvatFunction:
    """Make the function that CVAT calls for every frame.

    Args:
        concept: path of a concept, or of a set of concepts, from ``persam learn``.
        device: where the model computes.
        polygon_error: pixels that polygons may leave the outline, where CVAT asks for polygons.

    Raises:
        InputError: no such file, or not a concept.
        MissingExtra: ``cvat-sdk`` is not installed.
    """
    return CvatFunction(open_concepts(concept, device=device), polygon_error)


class CvatFunction:
    """A detection function, as ``cvat_sdk.auto_annotation`` describes it.

    Attributes:
        spec: which labels it gives.
    """

    def __init__(self, objects: OpenConcepts, polygon_error: float = ERROR) -> None:
        self._sdk = _sdk()
        self._objects, self._error = objects, polygon_error
        self._numbers = {name: number for number, name in enumerate(objects.concepts)}
        labels = [
            self._sdk.label_spec(name, number, type="any") for name, number in self._numbers.items()
        ]
        self.spec = self._sdk.DetectionFunctionSpec(labels=labels)

    def detect(self, context: Any, image: Image.Image) -> list[Any]:
        """Find the objects in a frame.

        Args:
            context: CVAT's; its ``conf_threshold`` is compared with presence, or with the mask's
                score where presence is not known.
            image: the frame.
        """
        least = context.conf_threshold or 0.0
        found = self._objects.find(np.asarray(image.convert("RGB")))
        return [
            shape
            for name, one in found.items()
            if one.present and _certainty(one) >= least
            for shape in self._shapes(self._numbers[name], one.mask, context)
        ]

    def _shapes(self, label: int, mask: np.ndarray, context: Any) -> list[Any]:
        if not context.conv_mask_to_poly:
            return [self._sdk.mask(label, _encode(mask))]
        if has_holes(mask):
            return [self._sdk.polygon(label, ring) for ring in _outer(mask, self._error)]
        rings = rings_of(mask, self._error)
        return [self._sdk.polygon(label, ring.ravel().tolist()) for ring in rings]


def _outer(mask: np.ndarray, error: float) -> list[list[float]]:
    """Outlines without the holes, which polygons of CVAT cannot have."""
    from scipy.ndimage import binary_fill_holes

    filled = np.asarray(binary_fill_holes(mask))
    return [ring.ravel().tolist() for ring in rings_of(filled, error)]


def _encode(mask: np.ndarray) -> list[float]:
    return import_module("cvat_sdk.masks").encode_mask(mask)


def _certainty(one: Prediction) -> float:
    return one.score if one.presence is None else one.presence


def _sdk() -> Any:
    try:
        return import_module("cvat_sdk.auto_annotation")
    except ImportError as error:
        raise MissingExtra("CVAT functions need its SDK: pip install cvat-sdk cvat-cli") from error
