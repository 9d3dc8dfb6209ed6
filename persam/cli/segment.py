"""`persam segment`: one object or several, many photos, a folder of masks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam.cli.album_report import least_presence, report_album
from persam.cli.concept_args import (
    ConceptArgs,
    ConceptOption,
    InstancesOption,
)
from persam.cli.console import progress
from persam.cli.cutout_args import (
    BackgroundOption,
    CropOption,
    EdgesOption,
    FormatOption,
    StripOption,
    cutout_style,
)
from persam.cli.evaluate_args import typed_options
from persam.cli.label_args import (
    ErrorOption,
    PicturesOption,
    SaveArgs,
    sets_of,
    without_references,
    write_labels_of,
)
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
    QualityOption,
    StableOption,
    VariantOption,
    WithoutOption,
    plugin_of,
    with_min_presence,
    with_quality,
)
from persam.cli.object_args import ReferenceArgs
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
from persam.cli.run_args import (
    BatchOption,
    CacheOption,
    CacheSizeOption,
    JobsOption,
    MaxPixelsOption,
    QuietOption,
    RecursiveOption,
    ShardOption,
    loader_options,
)
from persam.cli.search_args import LearningArgs, identity_of, search_source, target_of
from persam.cli.segment_stream import is_stream, segment_to_tar
from persam.errors import InputError
from persam.io.folders import list_images

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from persam.cli.object_args import Examples
    from persam.concept import Concept
    from persam.io.folders import Listing


def segment(
    context: typer.Context,
    photos: Annotated[
        list[str],
        typer.Argument(
            help="Photos, and folders of photos; or tars, Parquet tables and stores (s3://...), "
            "which are read as they come."
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            "--out",
            help="Folder for the results; results.tar or results-%06d.tar for tars of masks.",
        ),
    ],
    *,
    reference: Annotated[
        Path | None, typer.Option("--reference", help="A picture that shows the object.")
    ] = None,
    mask: MaskOption = None,
    box: BoxOption = None,
    point: PointOption = None,
    not_point: NotPointOption = None,
    label: LabelOption = None,
    mask_orientation: OrientationOption = "ask",
    as_given: AsGivenOption = False,
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
    quality: QualityOption = None,
    save: Annotated[
        str,
        typer.Option(
            "--save",
            help="Any of masks,cutouts,overlays,sheet with commas between; masks come always. Also "
            "labels for other tools: coco, yolo, labelme, cvat, label-studio, voc, supervisely.",
        ),
    ] = "masks",
    polygon_error: ErrorOption = 1.0,
    pictures: PicturesOption = "copy",
    edges: EdgesOption = "soft",
    crop: CropOption = None,
    background: BackgroundOption = None,
    format_: FormatOption = "png",
    strip: StripOption = False,
    recursive: RecursiveOption = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Look again at photos that are done.")
    ] = False,
    overwrite_hand_work: Annotated[
        bool,
        typer.Option(
            "--overwrite-hand-work",
            help="Replace masks that somebody has changed, and files that persam did not write.",
        ),
    ] = False,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    engine: EngineOption = "auto",
    batch: BatchOption = "auto",
    jobs: JobsOption = "auto",
    cache: CacheOption = None,
    cache_size: CacheSizeOption = None,
    max_pixels: MaxPixelsOption = None,
    shard: ShardOption = None,
    quiet: QuietOption = False,
) -> None:
    """Find one object, or several, in many photos and write masks.

    Results of an earlier run into the same folder are gone on with; a mask that you have changed is
    kept. With --recursive the sub-folders of the photos are made again among the results.

    Exit code: 0 all photos have a mask, 1 some failed, 2 nothing could be done.
    """
    typed = typed_options(context)
    shown = (mask, box, point, not_point, label, mask_orientation, as_given)
    source = search_source(
        reference and ReferenceArgs(reference, *shown), (also, not_), concept, typed
    )
    listing = None if is_stream(photos, out) else _listing(photos, out, recursive=recursive)
    loader = loader_options(batch, jobs, cache, cache_size, max_pixels)
    saved = SaveArgs.of(save, (polygon_error, pictures, overwrite_hand_work), typed)
    style = cutout_style((edges, crop, background, format_), saved.products, typed)
    from persam.album.run import Output, segment_album
    from persam.album.shards import Shard

    part = None if shard is None else Shard.parse(shard)
    learning = LearningArgs(method, model, match_with, plugin_of(plugin, stable=stable), typed)
    place = {"device": device, "precision": precision, "engine": engine}
    learnt = {
        name: with_quality(with_min_presence(one, min_presence), quality)
        for name, one in learning.concepts(source, (variant, without, alpha), place).items()
    }
    shown_as = _reference(source, learnt)
    target = target_of(source, learnt, instances=instances)
    identity = identity_of(source, learnt, (method, learning.files(source)))
    if listing is None:
        segment_to_tar(photos, (out, identity, strip), (target, loader), typed, quiet=quiet)
        return
    output = Output(
        out,
        saved.products,
        overwrite,
        overwrite_hand_work,
        identity=identity,
        protected=learning.files(source),
        mirror=tuple(path for path in photos if Path(path).is_dir()) if recursive else (),
        style=style,
        strip=strip,
        reference=shown_as.picture,
        shard=part,
    )
    others, known = without_references(listing.photos, sets_of(learning.files(source)))
    total = len(others) if part is None else len(part.positions(others, output.mirror))
    with progress(total, "Looking", quiet=quiet) as step:
        summary = segment_album(target, others, output, lambda _: step(), loader=loader)
    shown_as.tell(Path(out) / output.reference_file.name, quiet=quiet)
    report_album(summary, listing, least_presence(learnt.values(), quiet=quiet), quiet=quiet)
    name, done = next(iter(learnt)) or "object", (summary.records, summary.manifest.parent, {})
    write_labels_of(done, known, name, saved.labels, quiet=quiet)
    if summary.failed or summary.not_written:
        raise typer.Exit(1)


def _reference(source: Examples | ConceptArgs, learnt: Mapping[str, Concept]) -> ShownReference:
    if isinstance(source, ConceptArgs):
        return ShownReference()
    return ShownReference.of(source.references[0], next(iter(learnt.values())))


def _listing(photos: Sequence[str], out: str, *, recursive: bool) -> Listing:
    """The photos, none of them in the folder of the results."""
    for path in photos:
        if Path(path).is_dir() and os.path.realpath(path) == os.path.realpath(out):
            raise InputError(
                f"--out {out} is a folder of photos: a second run would take the masks for "
                f"photos. Choose another folder."
            )
    return list_images(photos, recursive=recursive, results=out)
