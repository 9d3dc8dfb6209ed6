"""`persam segment`: one object, many photos, a folder of masks."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam.cli.learn import BoxOption, MaskOption, PointOption, Shown
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
from persam.cli.screen import complain, progress, say
from persam.errors import InputError
from persam.folders import list_images

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.album import Summary
    from persam.concept import Concept
    from persam.folders import Listing
    from persam.manifest import Record

# What a concept file has settled already.
_LEARNING = (
    "mask",
    "box",
    "point",
    "method",
    "match_with",
    "plugin",
    "stable",
    "variant",
    "without",
    "alpha",
)
_NAMED = 5


def segment(
    context: typer.Context,
    photos: Annotated[list[Path], typer.Argument(help="Photos, and folders of photos.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the results.")],
    *,
    reference: Annotated[
        Path | None, typer.Option("--reference", help="A picture that shows the object.")
    ] = None,
    mask: MaskOption = None,
    box: BoxOption = None,
    point: PointOption = None,
    concept: Annotated[
        Path | None,
        typer.Option("--concept", help="Instead of a reference: a file from `persam learn`."),
    ] = None,
    method: MethodOption = "persam",
    model: ModelOption = "pocket",
    match_with: MatchOption = None,
    plugin: PluginOption = None,
    stable: StableOption = False,
    variant: VariantOption = "default",
    without: WithoutOption = None,
    alpha: AlphaOption = None,
    save: Annotated[
        str,
        typer.Option(
            "--save",
            help="Any of masks,cutouts,overlays,sheet with commas between; masks come always.",
        ),
    ] = "masks",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Look again at photos that are done.")
    ] = False,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing but what went wrong.")
    ] = False,
) -> None:
    """Find one object in many photos and write its masks.

    Exit code: 0 all photos have a mask, 1 some failed, 2 nothing could be done.
    """
    typed = [name for name in context.params if _was_typed(context, name)]
    source = _source(reference, concept, (mask, box, tuple(point or ())), typed)
    listing = list_images(photos)
    _check_folder(photos, out)
    from persam.album import Output, segment_album
    from persam.backbones import load, stabilised
    from persam.backbones.stable_file import plugin_file

    chosen = plugin_of(plugin, stable=stable)
    given = (reference, mask, concept, None if chosen is None else plugin_file(chosen))
    files = tuple(path for path in given if path is not None)
    output = Output(
        out, frozenset(word.strip() for word in save.split(",")), overwrite, protected=files
    )
    if isinstance(source, Shown):
        backbone = load(
            stabilised(model, chosen), match_with=match_with, device=device, precision=precision
        )
        recipe = resolve_variant(variant, method, without, alpha, backbone.recipe)
        learnt = source.learn(backbone, method, recipe)
    else:
        learnt = _stored(source, model if "model" in typed else None, device, precision)
    words = repr((learnt.backbone.name, precision, method, learnt.variant, box, point))
    output = replace(output, identity=_identity(words, files))
    with progress(len(listing.photos), "Looking", quiet=quiet) as step:
        summary = segment_album(learnt, listing.photos, output, lambda _: step())
    _report(summary, listing, quiet=quiet)
    if summary.failed:
        raise typer.Exit(1)


def _was_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _source(
    reference: Path | None,
    concept: Path | None,
    ways: tuple[Path | None, str | None, tuple[str, ...]],
    typed: Sequence[str],
) -> Shown | Path:
    """The reference as it is shown, or the concept file: exactly one, nothing left unread."""
    if concept is None and reference is not None:
        return Shown(reference, *ways)
    if concept is None or reference is not None:
        raise InputError(
            f"Say what to look for by --reference (with --mask, --box or --point) or by --concept; "
            f"got {'neither' if concept is None else 'both'}."
        )
    unread = [f"--{name.replace('_', '-')}" for name in typed if name in _LEARNING]
    if unread:
        raise InputError(
            f"{' and '.join(unread)} would do nothing: the concept {concept} has settled it. "
            f"Leave it out, or learn the object again."
        )
    return concept


def _check_folder(photos: Sequence[Path], out: Path) -> None:
    for path in photos:
        if path.is_dir() and path.resolve() == out.resolve():
            raise InputError(
                f"--out {out} is a folder of photos: a second run would take the masks for "
                f"photos. Choose another folder."
            )


def _stored(path: Path, model: str | None, device: str, precision: str) -> Concept:
    from persam.backbones import load
    from persam.concept import Concept
    from persam.concept_file import concept_model

    name = concept_model(path) if model is None else model
    return Concept.load(path, load(name, device=device, precision=precision))


def _identity(words: str, files: Sequence[Path]) -> str:
    """What the run looks for, by the contents of the files that say so."""
    digest = hashlib.sha256(words.encode())
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _report(summary: Summary, listing: Listing, *, quiet: bool) -> None:
    if not quiet:
        say(f"{_count(summary.written, 'mask')} written to {summary.manifest.parent}")
        if summary.skipped:
            say(f"{_count(summary.skipped, 'photo')} skipped, done already (--overwrite to redo)")
        if summary.sheet is not None:
            say(f"Contact sheet: {summary.sheet}")
        if listing.passed_over:
            named = [path.name for path in listing.passed_over[:_NAMED]]
            more = ", ..." if len(listing.passed_over) > _NAMED else ""
            entries = _count(len(listing.passed_over), "entry", "entries")
            say(f"{entries} of the folders passed over, no pictures: {', '.join(named)}{more}")
    if summary.failed:
        complain(f"{_count(len(summary.failed), 'photo')} failed:")
    for record in summary.failed:
        complain(f"  {_named(record)}")


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _named(record: Record) -> str:
    """The error of a photo, which most errors name already."""
    error, name = str(record.error), Path(record.input).name
    return error if name in error else f"{record.input}: {error}"
