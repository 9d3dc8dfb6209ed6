"""`persam track`: objects through a clip, masks and videos of every frame."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from persam.cli.concept_args import LEARNING, digest
from persam.cli.console import complain, count, progress, say
from persam.cli.evaluate_args import refuse, typed_options
from persam.cli.mark_args import MarkArgs
from persam.cli.model_args import (
    DeviceOption,
    EngineOption,
    MatchOption,
    MethodOption,
    ModelOption,
    PrecisionOption,
)
from persam.cli.object_args import ReferenceArgs
from persam.cli.object_options import (
    AsGivenOption,
    BoxOption,
    LabelOption,
    MaskOption,
    NotPointOption,
    OrientationOption,
    PointOption,
)
from persam.cli.run_args import QuietOption
from persam.cli.track_args import TrackArgs, TrackVariant, named_files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from persam.concept import Concept
    from persam.models.base import Backbone
    from persam.video.clip import Clip
    from persam.video.job import ClipSummary, TrackRequest
    from persam.video.output_files import ClipOutput
    from persam.video.record import ResumableTracker

_NAMED = 5
_OF_REFERENCE = ("mask", "label", "mask_orientation", "as_given")


def track(
    context: typer.Context,
    clip: Annotated[Path, typer.Argument(help="A video file, or a folder of frames.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the results.")],
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
    name: Annotated[
        str, typer.Option("--name", help="Name of the one object, for files and the manifest.")
    ] = "object",
    first_mask: Annotated[
        Path | None,
        typer.Option(
            "--first-mask",
            help="The first frame's mask: of one object, or an indexed PNG of several, which are "
            "named by their numbers.",
        ),
    ] = None,
    object_: Annotated[
        list[str] | None,
        typer.Option(
            "--object",
            metavar="NAME=MASK",
            help="One object's mask of the first frame. May be given again.",
        ),
    ] = None,
    concept: Annotated[
        list[str] | None,
        typer.Option(
            "--concept",
            metavar="[NAME=]FILE",
            help="A file from `persam learn`; its name is the object's unless one is given. May "
            "be given again.",
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="TIME",
            help="Without --reference, --box and --point mark the clip's own first frame, or the "
            "one shown at this time: seconds, or 1:02:03.5.",
        ),
    ] = None,
    keyframe: Annotated[
        list[str] | None,
        typer.Option(
            "--keyframe",
            metavar="[NAME@]FRAME=MASK",
            help="What is right in a frame, by its number from 0 on; instead of a mask "
            "120:box=X0,Y0,X1,Y1 or 120:point=X,Y,not=X,Y. May be given again; between two such "
            "frames the clip is tracked from both.",
        ),
    ] = None,
    method: MethodOption = "persam",
    model: ModelOption = "pocket",
    match_with: MatchOption = None,
    variant: Annotated[
        TrackVariant,
        typer.Option(
            "--variant",
            help="default is our own; official repeats the official video scripts; memory and "
            "distractors follow with the video memory of a SAM 2 or EdgeTAM model.",
        ),
    ] = "default",
    save: Annotated[
        str,
        typer.Option(
            "--save",
            help="Any of masks,alpha,webm,soft,cutouts,png16,exr,overlay,coco with commas between; "
            "masks come always; soft, png16 and exr have soft edges.",
        ),
    ] = "masks",
    fps: Annotated[
        float | None, typer.Option("--fps", help="Frames per second of a folder of frames; 25.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Delete earlier results and begin anew.")
    ] = False,
    overwrite_hand_work: Annotated[
        bool,
        typer.Option(
            "--overwrite-hand-work",
            help="Replace also files that somebody has changed, or that persam did not write.",
        ),
    ] = False,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    engine: EngineOption = "auto",
    quiet: QuietOption = False,
) -> None:
    """Follow objects through a clip and write the masks of every frame.

    An interrupted run goes on when the same command is given again. Exit code: 0 every frame has
    its masks, 1 the clip has frames that cannot be decoded, 2 nothing could be done.
    """
    typed = typed_options(context)
    marks = tuple(MarkArgs.of(text) for text in keyframe or ())
    if reference is None and (box or point):
        marks += (MarkArgs.own(at, box, point or (), not_point or ()),)
    targets = TrackArgs(
        reference=None
        if reference is None
        else ReferenceArgs(
            reference, mask, box, point, not_point, label, mask_orientation, as_given
        ),
        first_mask=first_mask,
        objects=named_files(object_ or (), "--object"),
        concepts=named_files(concept or (), "--concept", stem=True),
        marks=marks,
        name=name,
    )
    _refuse_unread(targets, typed)
    from persam.video.clip import open_clip
    from persam.video.output_files import ClipOutput

    products = frozenset(word.strip() for word in save.split(","))
    protected = (*targets.files, *targets.marked_files)
    output = ClipOutput(out, products, overwrite, overwrite_hand_work, protected)
    opened = open_clip(clip, fps)
    place = {"match_with": match_with, "device": device, "precision": precision, "engine": engine}
    backbone = _load(targets, model if "model" in typed else None, place)
    marked, frames = targets.marked(opened, backbone, method)
    concepts = targets.learn(backbone, marked, frames, method, variant)
    more = () if targets.reference is None else targets.reference.place[2:]
    names = (name, tuple(targets.objects), tuple(targets.concepts))
    words = repr((*names, box, point, *more))
    request = _request(concepts, marked, variant)
    settings = {
        "model": backbone.name,
        "precision": backbone.precision,
        "method": method,
        "variant": variant,
        "what to look for": digest(words, targets.files),
    }
    began = perf_counter()
    with progress(opened.frames, "Tracking", quiet=quiet) as step:
        summary = _run(replace(request, settings=settings), opened, output, step)
    _report(summary, opened, perf_counter() - began, quiet=quiet)
    if summary.damage.lost:
        raise typer.Exit(1)


def _refuse_unread(targets: TrackArgs, typed: Sequence[str]) -> None:
    if targets.reference is None:
        refuse([name for name in typed if name in _OF_REFERENCE], "it belongs to --reference")
    own = targets.reference is None and ("box" in typed or "point" in typed)
    refuse([name for name in typed if name == "at" and not own], "--box and --point go by it")
    if targets.objects or targets.concepts:
        refuse([name for name in typed if name == "name"], "the objects have names")
    if targets.concepts:
        settled = [name for name in typed if name in LEARNING and name != "variant"]
        refuse(settled, "the concepts have settled it")


def _load(targets: TrackArgs, model: str | None, place: dict[str, Any]) -> Backbone:
    from persam.models.loading import load
    from persam.models.stored_model import load_stored_model

    if model is None and targets.concepts:
        return load_stored_model(next(iter(targets.concepts.values())), **place)
    return load(model or "pocket", **place)


def _request(
    concepts: dict[str, Concept],
    marked: Mapping[int, Mapping[str, np.ndarray]],
    variant: TrackVariant,
) -> TrackRequest:
    from persam.video.job import TrackRequest
    from persam.video.tracking import make_tracker

    def tracker(names: Sequence[str]) -> ResumableTracker:
        return make_tracker({name: concepts[name] for name in names}, variant=variant)

    return TrackRequest(tuple(concepts), tracker, marked)


def _run(
    request: TrackRequest, clip: Clip, output: ClipOutput, step: Callable[[], None]
) -> ClipSummary:
    from persam.video.job import segment_clip

    return segment_clip(request, clip, output, lambda _: step())


def _report(summary: ClipSummary, clip: Clip, seconds: float, *, quiet: bool) -> None:
    if not quiet:
        found = ", ".join(f"{name} in {number}" for name, number in summary.present.items())
        say(f"{count(summary.frames, 'frame')} in {seconds:.1f} s: {found}")
        say(f"Results: {summary.folder}")
        if summary.doubtful:
            say(f"{count(summary.doubtful, 'mask')} to look at, the worst first: review.json")
        if summary.resumed:
            say(f"{count(summary.resumed, 'frame')} done already (--overwrite to redo)")
        if clip.passed_over:
            names = [path.name for path in clip.passed_over[:_NAMED]]
            more = ", ..." if len(clip.passed_over) > _NAMED else ""
            entries = count(len(clip.passed_over), "entry", "entries")
            say(f"{entries} of the folder passed over, no pictures: {', '.join(names)}{more}")
    _complain(summary, clip)


def _complain(summary: ClipSummary, clip: Clip) -> None:
    damage = summary.damage
    for reason in (*summary.notes, *damage.reasons):
        complain(reason)
    for number, what in (
        (damage.lost, "could not be decoded and left out"),
        (damage.concealed, "damaged, made up by FFmpeg in part"),
        (damage.retimed, "without a usable time, placed behind the one before"),
    ):
        if number:
            complain(f"{clip.path}: {count(number, 'frame')} {what}")
