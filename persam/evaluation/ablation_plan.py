"""The rows of an ablation: a recipe put together one component after the other.

A recipe is taken apart into the components that it has, and put together again one by one in the
paper's order: points, refinement, guided attention, semantic prompt, scale weights.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from persam.evaluation.reference_prompts import KINDS, ReferenceKind
from persam.variants import Fit, Method, Variant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Table = Literal["official", "own", "official references", "references"]
START = "positive point"
SCALE = "+ scale weights"
# Components in the paper's order, then those that are not in it; each with its fields switched off.
PARTS: Mapping[str, Mapping[str, Any]] = {
    "negative point": {"negative_point": False},
    "refinement": {"refine_mask": False, "refine_box": False, "keep_best": False},
    "guided attention": {"guided_attention": False},
    "semantic prompt": {"semantic_prompt": False},
    "contrast with the background": {"contrast": 0.0},
    "smoothed similarity": {"smoothing": 0.0},
    "location prior as mask": {"prior_mask": 0.0},
    "points on parts": {"parts": 0},
    "box in the first refinement": {"box_in_step_2": False},
    "one piece": {"one_piece": False},
    "second look": {"second_look": 0.0},
    "absence": {"min_presence": 0.0},
}
_OFFICIAL_PARTS = ("negative point", "refinement", "guided attention", "semantic prompt")


@dataclass(frozen=True)
class AblationRow:
    """One recipe to measure.

    Attributes:
        table: which table it is a row of.
        name: what it adds, or how the object is kind.
        method: of the two.
        variant: the recipe.
        kind: how the reference shows the object.
    """

    table: Table
    name: str
    method: Method
    variant: Variant
    reference: ReferenceKind = "mask"


def plan(own: str, fit: Fit = "fast") -> tuple[AblationRow, ...]:
    """The rows of all tables.

    Args:
        own: name of the model's own recipe. Its own table is left out where it has no component
            beyond the official ones.
        fit: how PerSAM-F's weights are found in the official recipe. ``"fast"`` reaches the same
            loss or a lower one, in a moment; ``"official"`` runs the 1,000 steps.
    """
    official = {
        method: dataclasses.replace(Variant.named("official", method), fit=fit)
        for method in get_args(Method)
    }
    recipes = {method: Variant.named(own, method) for method in get_args(Method)}
    rows = [*_cumulative("official", official["persam"], official["persam-f"])]
    if set(parts(recipes["persam"])) - set(_OFFICIAL_PARTS):
        rows += _cumulative("own", recipes["persam"], recipes["persam-f"])
    rows += [*_by_reference("official references", official), *_by_reference("references", recipes)]
    return tuple(rows)


def parts(variant: Variant) -> tuple[str, ...]:
    """The components of a recipe, by the names and in the order of ``PARTS``."""
    return tuple(
        name
        for name, off in PARTS.items()
        if any(getattr(variant, field) != value for field, value in off.items())
    )


def _by_reference(table_name: Table, recipes: Mapping[Method, Variant]) -> list[AblationRow]:
    """Every way to show the object, to both methods."""
    return [
        AblationRow(table_name, name, method, recipes[method], name)
        for method in get_args(Method)
        for name in KINDS
    ]


def _cumulative(table_name: Table, recipe: Variant, scaled: Variant) -> Iterator[AblationRow]:
    """From the positive point to the whole recipe, then with scale weights."""
    off = {field: value for fields in PARTS.values() for field, value in fields.items()}
    variant = dataclasses.replace(recipe, **off)
    yield AblationRow(table_name, START, "persam", variant)
    for name in parts(recipe):
        given = {field: getattr(recipe, field) for field in PARTS[name]}
        variant = dataclasses.replace(variant, **given)
        yield AblationRow(table_name, f"+ {name}", "persam", variant)
    # As the paper counts it: the two weights on top of everything else.
    yield AblationRow(table_name, SCALE, "persam-f", dataclasses.replace(variant, fit=scaled.fit))
    # As its recipe has it, which for the official script is without the parts that are PerSAM's.
    yield AblationRow(table_name, "PerSAM-F's own recipe", "persam-f", scaled)
