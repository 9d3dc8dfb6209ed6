"""`persam segment`: one object or several, many photos, a folder of masks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam.cli.concept_args import LEARNING, digest, stored_concepts
from persam.cli.concepts_args import ConceptArgs, ConceptOption, InstancesOption
from persam.cli.console import complain, count, named, progress, say
from persam.cli.evaluate_args import refuse, typed_options
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
from persam.cli.run_args import BatchOption, CacheOption, CacheSizeOption, JobsOption, pace_of
from persam.errors import InputError
from persam.io.folders import list_images

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from persam.album.run import Summary
    from persam.concept import Concept
    from persam.io.folders import Listing

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
    also: AlsoOption = None,
    not_: NotOption = None,
    concept: ConceptOption = None,
    instances: InstancesOption = False,
    method: MethodOption = "persam",
    model: ModelOption = "pocket",
    match_with: MatchOption = None,
    plugin: PluginOption = None,
    stable: StableOption = False,
    variant: VariantOption = "default",
    without: WithoutOption = None,
    alpha: AlphaOption = None,
    min_presence: MinPresenceOption = None,
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
    engine: EngineOption = "auto",
    batch: BatchOption = "auto",
    jobs: JobsOption = "auto",
    cache: CacheOption = None,
    cache_size: CacheSizeOption = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing but what went wrong.")
    ] = False,
) -> None:
    """Find one object, or several, in many photos and write masks.

    Exit code: 0 all photos have a mask, 1 some failed, 2 nothing could be done.
    """
    typed = typed_options(context)
    ways = (mask, box, tuple(point or ()))
    source = _source(None if reference is None else ReferenceArgs(reference, *ways), concept, typed)
    if isinstance(source, ReferenceArgs):
        source = Examples.of(source, also, not_)
    listing = _listing(photos, out)
    loader = pace_of(batch, jobs, cache, cache_size)
    from persam.album.run import Output, segment_album
    from persam.models.loading import load
    from persam.models.registry import plugin_file

    chosen = plugin_of(plugin, stable=stable)
    files = source.files if chosen is None else (*source.files, plugin_file(chosen))
    output = Output(
        out,
        frozenset(word.strip() for word in save.split(",")),
        overwrite,
        protected=files,
        instances=instances,
    )
    place = {"device": device, "precision": precision, "engine": engine}
    if isinstance(source, Examples):
        backbone = load(model, match_with=match_with, plugin=chosen, **place)
        recipe = resolve_variant(variant, method, without, alpha, backbone.recipe)
        learnt = {"": source.learn(backbone, method, recipe)}
    else:
        learnt = stored_concepts(source.named, model if "model" in typed else None, **place)
    learnt = {name: with_min_presence(one, min_presence) for name, one in learnt.items()}
    by_name = isinstance(source, ConceptArgs) and source.several
    sought = learnt if by_name else next(iter(learnt.values()))
    output = replace(output, identity=digest(_words(source, learnt, method), files))
    with progress(len(listing.photos), "Looking", quiet=quiet) as step:
        summary = segment_album(sought, listing.photos, output, lambda _: step(), loader=loader)
    _report(summary, listing, quiet=quiet)
    if summary.failed:
        raise typer.Exit(1)


def _source(
    told: ReferenceArgs | None, concepts: Sequence[str] | None, typed: Sequence[str]
) -> ReferenceArgs | ConceptArgs:
    """The reference or concept files: exactly one kind, and no option that nothing would read."""
    if not concepts and told is not None:
        return told
    if not concepts or told is not None:
        raise InputError(
            f"Say what to look for by --reference (with --mask, --box or --point) or by --concept; "
            f"got {'both' if concepts else 'neither'}."
        )
    settled = [name for name in typed if name in LEARNING]
    refuse(settled, f"the concept {concepts[0]} has settled it")
    return ConceptArgs.of(concepts)


def _listing(photos: Sequence[Path], out: Path) -> Listing:
    """The photos, none of them in the folder of the results."""
    for path in photos:
        if path.is_dir() and path.resolve() == out.resolve():
            raise InputError(
                f"--out {out} is a folder of photos: a second run would take the masks for "
                f"photos. Choose another folder."
            )
    return list_images(photos)


def _words(source: Examples | ConceptArgs, learnt: Mapping[str, Concept], method: str) -> str:
    """What the run looks for, besides the contents of its files."""
    backbone = next(iter(learnt.values())).backbone
    variants = [concept.variant for concept in learnt.values()]
    places = source.places if isinstance(source, Examples) else ()
    return repr((backbone.name, backbone.precision, method, *variants, places))


def _report(summary: Summary, listing: Listing, *, quiet: bool) -> None:
    if not quiet:
        say(f"{count(summary.written, 'mask')} written to {summary.manifest.parent}")
        if summary.skipped:
            say(f"{count(summary.skipped, 'photo')} skipped, done already (--overwrite to redo)")
        if summary.sheet is not None:
            say(f"Contact sheet: {summary.sheet}")
        if listing.passed_over:
            names = [path.name for path in listing.passed_over[:_NAMED]]
            more = ", ..." if len(listing.passed_over) > _NAMED else ""
            entries = count(len(listing.passed_over), "entry", "entries")
            say(f"{entries} of the folders passed over, no pictures: {', '.join(names)}{more}")
    if summary.failed:
        complain(f"{count(len(summary.failed), 'photo')} failed:")
    for record in summary.failed:
        complain(f"  {named(record.input, str(record.error))}")
