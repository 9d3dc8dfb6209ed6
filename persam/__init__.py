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
    from persam.backbones import Backbone, load
    from persam.backbones.stable import stabilize
    from persam.concept import Concept
    from persam.errors import InputError, MissingExtra, ModelNotFound, PersamError
    from persam.methods.persam import personalize
    from persam.methods.persam_f import finetune
    from persam.objects import segment_objects
    from persam.reference import Shown
    from persam.structures import Embedding, Guidance, MaskLogits, Prediction, Prompts
    from persam.variants import Variant
    from persam.video.choices import Tracking
    from persam.video.structures import VideoFrame
    from persam.video.tracking import track

__version__ = "0.1.0"

_HOMES = {
    "Backbone": "persam.backbones",
    "Concept": "persam.concept",
    "Embedding": "persam.structures",
    "Guidance": "persam.structures",
    "InputError": "persam.errors",
    "MaskLogits": "persam.structures",
    "MissingExtra": "persam.errors",
    "ModelNotFound": "persam.errors",
    "PersamError": "persam.errors",
    "Prediction": "persam.structures",
    "Prompts": "persam.structures",
    "Shown": "persam.reference",
    "Tracking": "persam.video.choices",
    "Variant": "persam.variants",
    "VideoFrame": "persam.video.structures",
    "finetune": "persam.methods.persam_f",
    "load": "persam.backbones",
    "personalize": "persam.methods.persam",
    "stabilize": "persam.backbones.stable",
    "segment_objects": "persam.objects",
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
    "PersamError",
    "Prediction",
    "Prompts",
    "Shown",
    "Tracking",
    "Variant",
    "VideoFrame",
    "__version__",
    "finetune",
    "load",
    "personalize",
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
