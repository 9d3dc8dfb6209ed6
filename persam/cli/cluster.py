"""`persam cluster`: an album on many machines by Ray, and its results as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persam.cli.concept_args import ConceptArgs, InstancesOption
from persam.cli.console import complain, count, progress, say
from persam.cli.model_args import DeviceOption, EngineOption, MinPresenceOption, PrecisionOption
from persam.cli.run_args import QuietOption

cluster = typer.Typer(
    no_args_is_help=True, help="Albums on many machines: pip install 'persam\\[ray]'."
)
ConceptsOption = Annotated[
    list[str],
    typer.Option(
        "--concept",
        metavar="[NAME=]FILE",
        help="A file from `persam learn`. May be given again: all objects are looked for at once.",
    ),
]


@cluster.command("segment")
def segment(
    photos: Annotated[
        list[str],
        typer.Argument(
            help="Photos, folders with all that is below them, patterns, tars, Parquet tables; on "
            "disks that all machines see, or in stores (s3://...)."
        ),
    ],
    concept: ConceptsOption,
    out: Annotated[str, typer.Option("--out", help="Folder for the results, as parts of Parquet.")],
    *,
    instances: InstancesOption = False,
    min_presence: MinPresenceOption = None,
    address: Annotated[
        str | None,
        typer.Option("--address", help="Of a Ray cluster; left out: RAY_ADDRESS, or this machine."),
    ] = None,
    actors: Annotated[
        int | None,
        typer.Option(
            "--actors", min=1, help="Models side by side; left out: as many as there is room for."
        ),
    ] = None,
    cpus: Annotated[
        float, typer.Option("--cpus", min=0.1, help="Cores of each; a little less lets reading in.")
    ] = 0.9,
    gpus: Annotated[float, typer.Option("--gpus", min=0, help="GPUs of each.")] = 0.0,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Photos handed over at once.")] = 32,
    part: Annotated[
        int, typer.Option("--part", min=1, help="Photos of a part, which a kill loses at most.")
    ] = 256,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    engine: EngineOption = "auto",
    quiet: QuietOption = False,
) -> None:
    """Find one object, or several, in an album on a cluster; a stopped run goes on.

    Each photo is a row: its mask as COCO's run lengths, box, score, presence, or what went wrong.
    `persam cluster masks` makes files of them.

    Exit code: 0 all photos have a mask, 1 some failed, 2 nothing could be done.
    """
    from persam.integrations.ray import segment_on_ray

    named = ConceptArgs.of(concept)
    what = {"instances": instances, "min_presence": min_presence}
    where = {"precision": precision, "engine": engine} | ({} if gpus else {"device": device})
    how = {"address": address, "actors": actors, "cpus": cpus, "gpus": gpus}
    how |= {"batch": batch, "part": part}
    files = dict(named.named) if named.several else named.files[0]
    with progress(None, "Looking", quiet=quiet) as step:

        def on_part(photos: int) -> None:
            for _ in range(photos):
                step()

        done = segment_on_ray(photos, files, out, on_part, **what, **where, **how)
    if not quiet:
        looked = done.written - done.failed
        say(f"Found in {done.present} of {count(looked, 'photo')}. Results: {done.folder}")
        if done.skipped:
            say(f"{count(done.skipped, 'photo')} skipped, done already")
    if done.failed:
        complain(f"{count(done.failed, 'photo')} failed; the column `error` says why")
        raise typer.Exit(1)


@cluster.command("masks")
def masks(
    results: Annotated[str, typer.Argument(help="Folder of `persam cluster segment`.")],
    out: Annotated[Path, typer.Option("--out", help="A new folder for the masks.")],
    *,
    quiet: QuietOption = False,
) -> None:
    """Write the masks of a cluster's results as files, named as `persam segment` names them."""
    from persam.album.result_files import write_masks

    with progress(None, "Writing", quiet=quiet) as step:
        written = write_masks(results, out, step)
    if not quiet:
        say(f"{count(written, 'mask')} in {out}")
