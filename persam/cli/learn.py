"""`persam learn`: from pictures of an object to a concept file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
from persam.cli.object_args import Examples, ReferenceArgs
from persam.cli.object_options import (
    AlsoOption,
    BoxOption,
    LabelOption,
    MaskOption,
    NotOption,
    NotPointOption,
    OrientationOption,
    PointOption,
)
from persam.errors import InputError
from persam.io.folders import refuse_overwriting


def learn(
    reference: Annotated[Path, typer.Argument(help="The picture that shows the object.")],
    out: Annotated[Path, typer.Option("--out", help="The concept file: *.safetensors.")],
    *,
    mask: MaskOption = None,
    box: BoxOption = None,
    point: PointOption = None,
    not_point: NotPointOption = None,
    label: LabelOption = None,
    mask_orientation: OrientationOption = "ask",
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
    first = ReferenceArgs(reference, mask, box, point, not_point, label, mask_orientation)
    examples = Examples.of(first, also, not_)
    from persam.io.concept_file import refuse_other_file

    if out.suffix != ".safetensors":
        raise InputError(f"--out names a concept file, as dog.safetensors; got {out}.")
    given = [*examples.files, model, *([] if plugin is None else [plugin])]
    refuse_overwriting([out], given, "Choose another --out.")
    refuse_other_file(out)
    from persam.models.loading import load, stabilised

    named = stabilised(model, plugin_of(plugin, stable=stable))
    backbone = load(named, match_with=match_with, device=device, precision=precision, engine=engine)
    recipe = resolve_variant(variant, method, without, alpha, backbone.recipe)
    concept = with_min_presence(examples.learn(backbone, method, recipe), min_presence)
    concept.save(out)
    others = len(examples.references) - 1
    named = f"{reference} and {others} more" if others else str(reference)
    say(f"Learnt the object in {named} ({method}, {backbone.name}): {out}")
