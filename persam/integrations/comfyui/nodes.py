"""The nodes. ComfyUI's pictures are ``(b, h, w, 3)`` float 0..1, its masks ``(b, h, w)``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from persam.integrations.open_concepts import open_concepts

if TYPE_CHECKING:
    import torch

    from persam.integrations.open_concepts import OpenConcepts
    from persam.prediction import Prediction

_CATEGORY = "persam"


class LoadConceptNode:
    """Loads a concept, or a set of concepts, from ``persam learn``."""

    CATEGORY = _CATEGORY
    RETURN_TYPES = ("PERSAM_CONCEPT",)
    FUNCTION = "load"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """The inputs, as ComfyUI asks for them."""
        return {"required": {"file": ("STRING", {"default": "dog.safetensors"})}}

    def load(self, file: str) -> tuple[OpenConcepts]:
        """Load the file."""
        return (open_concepts(file),)


class FindObjectNode:
    """Finds the objects of a concept in pictures."""

    CATEGORY = _CATEGORY
    RETURN_TYPES = ("PERSAM_FOUND",)
    FUNCTION = "find"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """The inputs, as ComfyUI asks for them."""
        return {"required": {"concept": ("PERSAM_CONCEPT",), "image": ("IMAGE",)}}

    def find(
        self, concept: OpenConcepts, image: torch.Tensor
    ) -> tuple[list[dict[str, Prediction]]]:
        """Find them in each picture ``(b, h, w, 3)``."""
        pictures = (image.clamp(0, 1) * 255).round().cpu().numpy().astype(np.uint8)
        return ([concept.find(np.ascontiguousarray(one[..., :3])) for one in pictures],)


class FoundMaskNode:
    """The masks of what was found."""

    CATEGORY = _CATEGORY
    RETURN_TYPES = ("MASK", "FLOAT")
    RETURN_NAMES = ("mask", "presence")
    FUNCTION = "mask"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """The inputs, as ComfyUI asks for them."""
        return {
            "required": {"found": ("PERSAM_FOUND",)},
            "optional": {"name": ("STRING", {"default": ""})},
        }

    def mask(
        self, found: list[dict[str, Prediction]], name: str = ""
    ) -> tuple[torch.Tensor, float]:
        """Masks ``(b, h, w)`` of one object by its name, or of all; the least presence."""
        import torch

        chosen = [[one for key, one in every.items() if name in ("", key)] for every in found]
        masks = [np.logical_or.reduce([one.mask for one in every]) for every in chosen]
        known = [one.presence for every in chosen for one in every if one.presence is not None]
        return torch.from_numpy(np.stack(masks)).float(), min(known, default=1.0)


class CutOutNode:
    """Pictures with everything but the mask made transparent."""

    CATEGORY = _CATEGORY
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "cut"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """The inputs, as ComfyUI asks for them."""
        return {"required": {"image": ("IMAGE",), "mask": ("MASK",)}}

    def cut(self, image: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor]:
        """Pictures ``(b, h, w, 4)``, the mask as their alpha channel."""
        import torch

        alpha = mask.to(image)[..., None].expand(*image.shape[:3], 1)
        return (torch.cat([image[..., :3], alpha], dim=-1),)


NODE_CLASS_MAPPINGS: dict[str, type] = {
    "PersamLoadConcept": LoadConceptNode,
    "PersamFindObject": FindObjectNode,
    "PersamFoundMask": FoundMaskNode,
    "PersamCutOut": CutOutNode,
}
NODE_DISPLAY_NAME_MAPPINGS: dict[str, str] = {
    "PersamLoadConcept": "Load concept (persam)",
    "PersamFindObject": "Find object (persam)",
    "PersamFoundMask": "Mask of found object (persam)",
    "PersamCutOut": "Cut out (persam)",
}
