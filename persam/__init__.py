"""Show one object once, get its mask in every other picture.

>>> import persam
>>> persam.__version__
'0.1.0'

Names are imported when they are first used, so that ``import persam`` loads no model library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from persam.album.run import segment_album
    from persam.concept import Concept
    from persam.errors import InputError, MissingExtra, ModelNotFound, PersamError
    from persam.explanation import explain
    from persam.methods.persam import personalize
    from persam.methods.persam_f import finetune
    from persam.models.base import Backbone
    from persam.models.loading import load
    from persam.models.stable_sam.backbone import stabilize
    from persam.pipeline.multi_object import segment_objects
    from persam.pipeline.reference import Reference
    from persam.prediction import Prediction
    from persam.structures import Embedding, Guidance, MaskLogits, ModelSpec, Prompts
    from persam.variants import Variant
    from persam.video.choices import Tracking
    from persam.video.structures import VideoFrame
    from persam.video.tracking import track

__version__ = "0.1.0"

_HOMES = {
    "Backbone": "persam.models.base",
    "Concept": "persam.concept",
    "Embedding": "persam.structures",
    "Guidance": "persam.structures",
    "InputError": "persam.errors",
    "MaskLogits": "persam.structures",
    "MissingExtra": "persam.errors",
    "ModelSpec": "persam.structures",
    "ModelNotFound": "persam.errors",
    "PersamError": "persam.errors",
    "Prediction": "persam.prediction",
    "Prompts": "persam.structures",
    "Reference": "persam.pipeline.reference",
    "Tracking": "persam.video.choices",
    "Variant": "persam.variants",
    "VideoFrame": "persam.video.structures",
    "explain": "persam.explanation",
    "finetune": "persam.methods.persam_f",
    "load": "persam.models.loading",
    "personalize": "persam.methods.persam",
    "stabilize": "persam.models.stable_sam.backbone",
    "segment_album": "persam.album.run",
    "segment_objects": "persam.pipeline.multi_object",
    "track": "persam.video.tracking",
}

__all__ = [
    "Backbone",
    "Concept",
    "Embedding",
    "Guidance",
    "InputError",
    "MaskLogits",
    "MissingExtra",
    "ModelNotFound",
    "ModelSpec",
    "PersamError",
    "Prediction",
    "Prompts",
    "Reference",
    "Tracking",
    "Variant",
    "VideoFrame",
    "__version__",
    "explain",
    "finetune",
    "load",
    "personalize",
    "segment_album",
    "segment_objects",
    "stabilize",
    "track",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'persam' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
