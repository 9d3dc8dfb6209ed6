"""`persam learn`: from pictures of an object to a concept file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persam.cli.console import say
from persam.cli.evaluate_args import refuse, typed_options
from persam.cli.label_args import ClassOption, ImagesOption, LabelArgs, PerInstanceOption
from persam.cli.learn_labels import learn_set
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
    AsGivenOption,
    BoxOption,
    LabelOption,
    MaskOption,
    NotOption,
    NotPointOption,
    OrientationOption,
    PointOption,
)
from persam.cli.reference_preview import ShownReference
from persam.cli.search_args import LearningArgs
from persam.errors import InputError
from persam.io.folders import refuse_overwriting

_SHOWN = (
    "mask",
    "box",
    "point",
    "not_point",
    "label",
    "mask_orientation",
    "as_given",
    "also",
    "not_",
)


def learn(
    context: typer.Context,
    reference: Annotated[
        Path,
        typer.Argument(
            help="The picture that shows the object; or labels of another tool: a COCO, YOLO, "
            "LabelMe, CVAT, Label Studio, VOC or Supervisely file or folder."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="The concept file: *.safetensors.")],
    *,
    mask: MaskOption = None,
    box: BoxOption = None,
    point: PointOption = None,
    not_point: NotPointOption = None,
    label: LabelOption = None,
    mask_orientation: OrientationOption = "ask",
    as_given: AsGivenOption = False,
    also: AlsoOption = None,
    not_: NotOption = None,
    images: ImagesOption = None,
    class_: ClassOption = None,
    per_instance: PerInstanceOption = False,
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

    From labels: one object a class, all in one file.
    Then: persam segment --concept dog.safetensors PHOTOS... --out DIR
    """
    labels = LabelArgs(reference, tuple(images or ()), tuple(class_ or ()), per_instance)
    if labels.given:
        shown = [name for name in typed_options(context) if name in _SHOWN]
        refuse(shown, f"the labels {reference} show where the objects are")
        chosen = LearningArgs(method, model, match_with, plugin_of(plugin, stable=stable), ())
        place = {"device": device, "precision": precision, "engine": engine}
        learn_set(labels, out, chosen, (variant, without, alpha, min_presence), place)
        return
    shown = (mask, box, point, not_point, label, mask_orientation, as_given)
    first = ReferenceArgs(reference, *shown)
    examples = Examples.of(first, also, not_)
    from persam.io.concept_file import refuse_other_file

    if out.suffix != ".safetensors":
        raise InputError(f"--out names a concept file, as dog.safetensors; got {out}.")
    given = [*examples.files, model, *([] if plugin is None else [plugin])]
    refuse_overwriting([out], given, "Choose another --out.")
    refuse_other_file(out)
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
    ShownReference.of(first, concept).write_beside(out.with_suffix(".reference.jpg"))
