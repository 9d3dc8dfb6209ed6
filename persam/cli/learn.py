"""`persam learn`: from one picture to a concept file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam.cli.options import (
    AlphaOption,
    DeviceOption,
    MatchOption,
    MethodOption,
    ModelOption,
    PluginOption,
    PrecisionOption,
    StableOption,
    VariantOption,
    WithoutOption,
    plugin_of,
    resolve_variant,
)
from persam.cli.screen import say
from persam.errors import InputError

if TYPE_CHECKING:
    from persam.backbones import Backbone
    from persam.concept import Concept
    from persam.variants import Method, Variant

MaskOption = Annotated[
    Path | None,
    typer.Option(
        "--mask", help="Picture of the reference's size: the object bright, the rest black."
    ),
]
BoxOption = Annotated[
    str | None,
    typer.Option(
        "--box", metavar="X0,Y0,X1,Y1", help="Instead of a mask: a box round the object, in pixels."
    ),
]
PointOption = Annotated[
    list[str] | None,
    typer.Option(
        "--point",
        metavar="X,Y",
        help="Instead of a mask: a pixel on the object. May be given again.",
    ),
]


@dataclass(frozen=True)
class Shown:
    """How the object is shown on the command line.

    Attributes:
        picture: the reference.
        mask: its mask, if there is one.
        box: ``x0,y0,x1,y1``, as typed.
        points: ``x,y`` each, as typed.
    """

    picture: Path
    mask: Path | None = None
    box: str | None = None
    points: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        ways = {"--mask": self.mask, "--box": self.box, "--point": self.points or None}
        given = [option for option, value in ways.items() if value is not None]
        if len(given) != 1:
            raise InputError(
                f"Show the object in {self.picture} by exactly one of --mask, --box and --point; "
                f"got {' and '.join(given) or 'none of them'}."
            )

    def learn(self, backbone: Backbone, method: Method, variant: Variant) -> Concept:
        """Learn the object.

        Raises:
            InputError: unreadable files, or a mask, box or point that cannot be used.
        """
        from persam.methods.persam import personalize
        from persam.methods.persam_f import finetune

        make = finetune if method == "persam-f" else personalize
        return make(
            backbone,
            self.picture,
            mask=self.mask,
            box=None if self.box is None else numbers(self.box, "--box", 4),
            points=[numbers(point, "--point", 2) for point in self.points] or None,
            variant=variant,
        )


def numbers(text: str, option: str, count: int) -> tuple[float, ...]:
    """Read ``count`` numbers with commas between them.

    Raises:
        InputError: something else was typed.

    Example:
        >>> numbers("10,20.5", "--point", 2)
        (10.0, 20.5)
    """
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != count or not all(map(math.isfinite, values)):
        example = ",".join(["10", "20", "300", "400"][:count])
        raise InputError(
            f"{option} takes {count} numbers with commas between them, as {option} {example}; "
            f"got {text!r}."
        )
    return values


def learn(
    reference: Annotated[Path, typer.Argument(help="The picture that shows the object.")],
    out: Annotated[Path, typer.Option("--out", help="The concept file: *.safetensors.")],
    *,
    mask: MaskOption = None,
    box: BoxOption = None,
    point: PointOption = None,
    method: MethodOption = "persam",
    model: ModelOption = "pocket",
    match_with: MatchOption = None,
    plugin: PluginOption = None,
    stable: StableOption = False,
    variant: VariantOption = "default",
    without: WithoutOption = None,
    alpha: AlphaOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
) -> None:
    """Learn an object from one picture and keep it in a small file.

    Then: persam segment --concept dog.safetensors PHOTOS... --out DIR
    """
    shown = Shown(reference, mask, box, tuple(point or ()))
    if out.suffix != ".safetensors":
        raise InputError(f"--out names a concept file, as dog.safetensors; got {out}.")
    from persam.backbones import load, stabilised

    named = stabilised(model, plugin_of(plugin, stable=stable))
    backbone = load(named, match_with=match_with, device=device, precision=precision)
    recipe = resolve_variant(variant, method, without, alpha, backbone.recipe)
    concept = shown.learn(backbone, method, recipe)
    concept.save(out)
    say(f"Learnt the object in {reference} ({method}, {backbone.name}): {out}")
