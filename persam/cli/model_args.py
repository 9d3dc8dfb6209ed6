"""Options that several commands share: their types, their help, and what they add up to.

Imports nothing heavy, so that `--help` answers at once.
"""

from __future__ import annotations

import dataclasses
import math
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from persam.errors import InputError
from persam.evaluation.method_names import NAMES
from persam.models.registry import POCKET_STABLE
from persam.variants import Method, Variant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.concept import Concept

VariantName = Literal["default", "official"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Engine = Literal["auto", "torch", "compile", "openvino", "onnx"]


class Component(StrEnum):
    """The parts of a recipe that ``--without`` switches off, named after the Variant's fields."""

    SMOOTHING = "smoothing"
    MIN_PRESENCE = "min-presence"
    NEGATIVE_POINT = "negative-point"
    PRIOR_MASK = "prior-mask"
    PARTS = "parts"
    GUIDED_ATTENTION = "guided-attention"
    SEMANTIC_PROMPT = "semantic-prompt"
    REFINE_MASK = "refine-mask"
    REFINE_BOX = "refine-box"
    ONE_PIECE = "one-piece"

    @property
    def field(self) -> str:
        """Name of the :class:`~persam.variants.Variant` field that this part is."""
        return self.value.replace("-", "_")


MethodOption = Annotated[
    Method,
    typer.Option(
        "--method", help="persam learns nothing; persam-f also fits two mask weights in a moment."
    ),
]
AnyMethodOption = Annotated[
    str,
    typer.Option(
        "--method",
        metavar="NAME|FILE.py:FUNCTION",
        help=f"One of {', '.join(NAMES)}, or a function of your own: my_method.py:build.",
    ),
]
ModelOption = Annotated[
    str,
    typer.Option(
        "--model", help="A name from `persam models`, a Hugging Face id, a file or a folder."
    ),
]
MatchOption = Annotated[
    str | None,
    typer.Option(
        "--match-with",
        metavar="MODEL",
        help="Compare objects by this DINOv2 model's features, as facebook/dinov2-large, instead "
        "of the model's own. Masks still come from --model.",
    ),
]
PluginOption = Annotated[
    str | None,
    typer.Option(
        "--plugin",
        metavar="FILE",
        help="A Stable-SAM plugin for the model, as `persam train stable` writes it.",
    ),
]
StableOption = Annotated[
    bool,
    typer.Option(
        "--stable", help="Take the plugin for the pocket model that comes with the package."
    ),
]
VariantOption = Annotated[
    VariantName,
    typer.Option(
        "--variant", help="default measures best; official repeats the official code exactly."
    ),
]
WithoutOption = Annotated[
    list[Component] | None,
    typer.Option(
        "--without",
        metavar="PART",
        help=f"Switch a part of the recipe off: {', '.join(Component)}. May be given again.",
    ),
]
AlphaOption = Annotated[
    float | None,
    typer.Option(
        "--alpha", help="Strength of the guided attention. Left out: what the variant says."
    ),
]
MinPresenceOption = Annotated[
    float | None,
    typer.Option(
        "--min-presence",
        help="Leave the mask empty where the object is there with a lower probability, 0..1. Left "
        "out: what the variant says; 0 always takes the best guess.",
    ),
]
QualityOption = Annotated[
    Literal["fast", "best"] | None,
    typer.Option(
        "--quality",
        help="best looks again at every object in a crop round it; fast never does. Left out: what "
        "the variant says, with the built-in model at small objects.",
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps; auto takes the fastest here."),
]
PrecisionOption = Annotated[
    Precision,
    typer.Option("--precision", help="Number format of the image encoder."),
]
EngineOption = Annotated[
    Engine,
    typer.Option("--engine", help="What runs the model; auto takes the fastest that is installed."),
]


def plugin_of(plugin: str | None, *, stable: bool) -> str | None:
    """What --plugin and --stable add up to: the name of a plugin, or None.

    Raises:
        InputError: both were given.
    """
    if stable and plugin is not None:
        raise InputError(f"--stable takes a plugin of its own; leave it or --plugin {plugin} out.")
    return POCKET_STABLE if stable else plugin


def resolve_variant(
    name: str,
    method: Method,
    without: Sequence[Component | str] | None = None,
    alpha: float | None = None,
    own: str = "default",
) -> Variant:
    """Turn the recipe options of a command line into one recipe.

    Args:
        name: ``"default"`` or ``"official"``.
        method: ``"persam"`` or ``"persam-f"``.
        without: parts to switch off.
        alpha: strength of the guided attention, at least 0; None keeps the recipe's.
        own: the recipe that ``"default"`` means for the model.

    Raises:
        InputError: a part that does not exist or that the recipe does not have, an alpha below 0
            or not finite, or one that nothing would read.
    """
    variant = Variant.named(own if name == "default" else name, method)
    recipe = f"the {name} recipe of {method}"
    for part in dict.fromkeys(_components(without or ())):
        value = getattr(variant, part.field)
        if not value:
            raise InputError(
                f"--without {part.value}: {recipe} has no such part; leave the option out."
            )
        variant = dataclasses.replace(variant, **{part.field: type(value)(0)})
    if alpha is None:
        return variant
    if not math.isfinite(alpha) or alpha < 0:
        raise InputError(f"--alpha is a finite number of at least 0; got {alpha}.")
    if not variant.guided_attention:
        raise InputError(
            f"--alpha {alpha:g} would do nothing: guided attention is off in {recipe} as asked "
            f"for; leave one of the options out."
        )
    return dataclasses.replace(variant, alpha=alpha)


def with_min_presence(concept: Concept, least: float | None) -> Concept:
    """Change from which presence on a concept calls its object there.

    Args:
        concept: as it was learnt.
        least: 0..1; None keeps the recipe's.

    Raises:
        InputError: not in 0..1, or nothing is known of presence.
    """
    from persam.album.search import asking

    return concept if least is None else asking(concept, least)


def _components(names: Sequence[Component | str]) -> list[Component]:
    try:
        return [Component(name) for name in names]
    except ValueError as error:
        known = ", ".join(part.value for part in Component)
        raise InputError(f"--without knows {known}; got {error}.") from None


def with_quality(concept: Concept, quality: Literal["fast", "best"] | None) -> Concept:
    """Look again at every object in a crop round it, or at none; None keeps the recipe's choice."""
    if quality is None:
        return concept
    variant = dataclasses.replace(concept.variant, second_look=float(quality == "best"))
    return dataclasses.replace(concept, variant=variant)
