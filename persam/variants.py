"""The choices that tell one personalisation recipe from another, and the named recipes.

The official scripts differ from each other in a handful of cells; the table at the end of this
file is those cells. Each can be changed on its own with :func:`dataclasses.replace`, which is how
ablations run.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from persam.errors import InputError

Method = Literal["persam", "persam-f"]
Foreground = Literal["coverage", "official"]
Pooling = Literal["mean", "mean+max"]
GuideFrame = Literal["padded", "official"]
Fit = Literal["fast", "official"]


@dataclass(frozen=True)
class Variant:
    """One recipe.

    Attributes:
        foreground: which grid cells of the reference belong to the object. ``"official"`` sends
            the mask through the picture's normalisation, so that its grey value decides how much
            of a cell must be covered; ``"coverage"`` asks for half of a cell at any grey value.
        pooling: target feature from those cells: their ``"mean"``, or ``"mean+max"`` (halves).
        contrast: weight of (nearest object cell - nearest background cell) beside the cosine to
            the target feature; 0 leaves the official map.
        smoothing: share of the 3 x 3 mean in the similarity map, 0..1; 0 leaves the official map.
        min_presence: below this probability, 0..1, the object is absent: an empty mask, a score of
            0. It is known where the model comes with a calibration (the pocket model does) or
            where there are two references or more; 0 never says so.
        positive_points: how many of the most similar pixels become points on the object.
        parts: into how many parts the object's cells are grouped at most; each part that a picture
            shows adds a point on the object. 0 leaves it at ``positive_points``.
        negative_point: also prompt with the least similar pixel.
        guided_attention: add the location prior to the token-to-image attention in step 1.
        alpha: factor of that addition; 1 is the official code's.
        guide_frame: ``"official"`` stretches the picture's map over the whole grid;
            ``"padded"`` lays it where the picture lies and fills the rest with its minimum.
        semantic_prompt: add the target embedding to all decoder tokens in step 1.
        prior_mask: give the standardised location prior as mask prompt in step 1; a factor that
            turns it into logits, 0 for none.
        box_in_step_2: prompt the first refinement with the box of step 1's mask.
        refine_mask: run step 2, which refines from step 1's logits.
        refine_box: run step 3, which refines from the last mask's box and logits.
        keep_best: answer with the step of the highest score instead of the last one.
        one_piece: of the final mask, drop the pieces that are less likely places of the object
            than the best one, and close small holes.
        second_look: a share of the picture: an object whose box covers less is looked at again in a
            crop round it, for finer edges; 0 never does, 1 always. It wants the picture's pixels.
            Above 0 it says as well that what clicks and boxes show is looked at twice.
        fit: how PerSAM-F finds its weights: ``"official"`` runs the 1,000 steps of AdamW,
            ``"fast"`` searches the plane of the weights. PerSAM does not read it.
        shrinkage: factor of the weights' squared distance from equal thirds, added to the loss that
            the fast fit makes smallest: one photo says little of a scale. 0 trusts it alone.

    Example:
        >>> Variant.named("official", "persam-f").pooling
        'mean+max'
    """

    foreground: Foreground = "coverage"
    pooling: Pooling = "mean"
    contrast: float = 0.0
    smoothing: float = 0.0
    min_presence: float = 0.0
    positive_points: int = 1
    parts: int = 0
    negative_point: bool = True
    guided_attention: bool = True
    alpha: float = 1.0
    guide_frame: GuideFrame = "padded"
    semantic_prompt: bool = True
    prior_mask: float = 0.0
    box_in_step_2: bool = False
    refine_mask: bool = True
    refine_box: bool = True
    keep_best: bool = False
    one_piece: bool = False
    second_look: float = 0.0
    fit: Fit = "fast"
    shrinkage: float = 0.0

    def __post_init__(self) -> None:
        for name, allowed in _WORDS.items():
            if getattr(self, name) not in allowed:
                raise InputError(
                    f"A variant's {name} is one of {', '.join(allowed)}; "
                    f"got {getattr(self, name)!r}."
                )
        for name in _SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise InputError(
                    f"A variant's {name} is True or False; got {getattr(self, name)!r}."
                )
        for name in _FACTORS:
            _check_factor(name, getattr(self, name))
        _check_shares(self)
        for name, least in (("positive_points", 1), ("parts", 0)):
            count = getattr(self, name)
            if isinstance(count, bool) or not isinstance(count, int) or count < least:
                raise InputError(
                    f"A variant's {name} is a whole number of at least {least}; got {count!r}."
                )

    @classmethod
    def named(cls, name: str, method: Method) -> Variant:
        """The recipe of that name for that method.

        Args:
            name: ``"official"``, the official scripts' arithmetic; ``"default"``, the same with its
                faults mended (foreground at any grey value, guide where the picture lies, a fast
                fit), points on the object's parts and an answer where it is not there;
                ``"pocket"``, what measures best with the built-in model, which was trained on
                location priors. A model's own recipe is what the methods take by default.
            method: ``"persam"`` or ``"persam-f"``.

        Raises:
            InputError: there is no such recipe.
        """
        if (name, method) not in _RECIPES:
            known = ", ".join(f"{name} {method}" for name, method in _RECIPES)
            raise InputError(f"The recipes are {known}; got {name!r} for {method!r}.")
        return _RECIPES[name, method]

    def to_json(self) -> str:
        """All fields as one line of JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Variant:
        """What :meth:`to_json` wrote.

        Raises:
            InputError: not JSON, or not a variant's fields; those that came later may be missing.
        """
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f"A variant is stored as JSON; got {text[:80]!r}.") from error
        fields = {field.name for field in dataclasses.fields(cls)}
        if isinstance(values, dict):
            values = _ADDED | values
        if not isinstance(values, dict) or set(values) != fields:
            got = sorted(values) if isinstance(values, dict) else values
            raise InputError(
                f"A stored variant has the fields {', '.join(sorted(fields))}; got {got}. "
                f"It was written by another version of persam: learn the object again."
            )
        return cls(**values)


# Fields that the first stored variants did not have -> what recipes did before there were any.
_ADDED: dict[str, Any] = {"one_piece": False, "second_look": 0.0, "shrinkage": 0.0}


def _check_shares(variant: Variant) -> None:
    for name in ("smoothing", "min_presence", "second_look"):
        value = getattr(variant, name)
        if value > 1:
            raise InputError(f"A variant's {name} is at most 1; got {value!r}.")


def _check_factor(name: str, value: float) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0:
        raise InputError(f"A variant's {name} is a finite number of at least 0; got {value!r}.")


_WORDS = {
    "foreground": get_args(Foreground),
    "pooling": get_args(Pooling),
    "guide_frame": get_args(GuideFrame),
    "fit": get_args(Fit),
}
_SWITCHES = (
    "negative_point",
    "guided_attention",
    "semantic_prompt",
    "box_in_step_2",
    "refine_mask",
    "refine_box",
    "keep_best",
    "one_piece",
)
_FACTORS = (
    "contrast",
    "smoothing",
    "min_presence",
    "alpha",
    "prior_mask",
    "second_look",
    "shrinkage",
)

# The difference table. The official rows are persam.py and persam_f.py; a row below another says
# only what differs from it.
_PERSAM = Variant(
    foreground="official",
    pooling="mean",
    contrast=0.0,
    smoothing=0.0,
    min_presence=0.0,
    positive_points=1,
    parts=0,
    negative_point=True,
    guided_attention=True,
    alpha=1.0,
    guide_frame="official",
    semantic_prompt=True,
    prior_mask=0.0,
    box_in_step_2=False,
    refine_mask=True,
    refine_box=True,
    keep_best=False,
    one_piece=False,
    second_look=0.0,
    fit="official",
    shrinkage=0.0,
)
_PERSAM_F = dataclasses.replace(
    _PERSAM,
    pooling="mean+max",
    negative_point=False,
    guided_attention=False,
    semantic_prompt=False,
    box_in_step_2=True,
)
_MENDED: dict[str, Any] = {"foreground": "coverage", "guide_frame": "padded", "fit": "fast"}
# Beyond the official scripts. With the pocket model's decoder, asked by this recipe, points on
# three parts are worth 2 points of mIoU to PerSAM and 7 to PerSAM-F (benchmarks/many.md). What
# references alone say of presence is less sure than a calibration, so it empties less.
_MORE: dict[str, Any] = {"parts": 3, "min_presence": 0.1}
# What measured best with the pocket model (benchmarks/pocket.md). The absence threshold keeps 98 of
# 100 photos that have the object, and leaves 81 of 100 without it empty.
_POCKET = dataclasses.replace(
    _PERSAM,
    **_MENDED,
    contrast=0.5,
    smoothing=0.5,
    min_presence=0.25,
    parts=5,
    guided_attention=False,
    semantic_prompt=False,
    prior_mask=1.5,
    box_in_step_2=True,
    keep_best=True,
    one_piece=True,
    second_look=0.15,
    shrinkage=0.15,
)
_RECIPES: dict[tuple[str, str], Variant] = {
    ("default", "persam"): dataclasses.replace(_PERSAM, **_MENDED, **_MORE),
    ("default", "persam-f"): dataclasses.replace(_PERSAM_F, **_MENDED, **_MORE),
    ("official", "persam"): _PERSAM,
    ("official", "persam-f"): _PERSAM_F,
    ("pocket", "persam"): _POCKET,
    # With fused masks the box of the first one costs more than it brings.
    ("pocket", "persam-f"): dataclasses.replace(_POCKET, box_in_step_2=False),
}
