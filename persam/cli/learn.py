"""`persam learn`: from pictures of an object to a concept file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam.cli.console import say
from persam.cli.model_args import (
    AlphaOption,
    DeviceOption,
    EngineOption,
    MatchOption,
    MethodOption,
    MinPresenceOption,
    ModelOption,
    PluginOption,
    PrecisionOption,
    StableOption,
    VariantOption,
    WithoutOption,
    plugin_of,
    resolve_variant,
    with_min_presence,
)
from persam.cli.object_args import (
    AlsoOption,
    BoxOption,
    Examples,
    MaskOption,
    NotOption,
    PointOption,
    ReferenceArgs,
)
from persam.errors import InputError

if TYPE_CHECKING:
    pass


def learn(
    reference: Annotated[Path, typer.Argument(help="The picture that shows the object.")],
    out: Annotated[Path, typer.Option("--out", help="The concept file: *.safetensors.")],
    *,
    mask: MaskOption = None,
    box: BoxOption = None,
    point: PointOption = None,
    also: AlsoOption = None,
    not_: NotOption = None,
    method: MethodOption = "persam",
    model: ModelOption = "pocket",
    match_with: MatchOption = None,
    plugin: PluginOption = None,
    stable: StableOption = False,
    variant: VariantOption = "default",
    without: WithoutOption = None,
    alpha: AlphaOption = None,
    min_presence: MinPresenceOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    engine: EngineOption = "auto",
) -> None:
    """Learn an object from one picture or several and keep it in a small file.

    Then: persam segment --concept dog.safetensors PHOTOS... --out DIR
    """
    examples = Examples.of(ReferenceArgs(reference, mask, box, tuple(point or ())), also, not_)
    if out.suffix != ".safetensors":
        raise InputError(f"--out names a concept file, as dog.safetensors; got {out}.")
    from persam.models.loading import load

    backbone = load(
        model,
        match_with=match_with,
        plugin=plugin_of(plugin, stable=stable),
        device=device,
        precision=precision,
        engine=engine,
    )
    recipe = resolve_variant(variant, method, without, alpha, backbone.recipe)
    concept = with_min_presence(examples.learn(backbone, method, recipe), min_presence)
    concept.save(out)
    others = len(examples.references) - 1
    named = f"{reference} and {others} more" if others else str(reference)
    say(f"Learnt the object in {named} ({method}, {backbone.name}): {out}")
