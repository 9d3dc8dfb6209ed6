"""Measure that tracking takes as much memory for a long clip as for a short one.

    python benchmarks/video_memory.py FRAMES MASK [--json benchmarks/video_memory.json]

FRAMES is a folder of frames, MASK the first one's mask. The clip is played there and back until it
is 50 and 1,000 frames long; each length runs in a process of its own. Prints the peaks of memory,
frames a second, and the ratio of the last peak to the first.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from itertools import chain, cycle, islice
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import persam
from persam.evaluation.reports import environment, peak_memory
from persam.folders import list_images
from persam.video.tracking import track

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEARN = {"persam": persam.personalize, "persam-f": persam.finetune}


@dataclass(frozen=True)
class Length:
    """What one length of the clip came to.

    Attributes:
        frames: how many.
        present: in how many of them the object was found.
        peak_memory: of the whole process, in bytes; the model is part of it.
        frames_per_second: of the tracking, reading included.
    """

    frames: int
    present: int
    peak_memory: int
    frames_per_second: float


def main(  # noqa: PLR0913, PLR0917  (the options)
    frames: Annotated[Path, typer.Argument(help="A folder of frames of one size.")],
    mask: Annotated[Path, typer.Argument(help="The object in the first of them.")],
    length: Annotated[list[int] | None, typer.Option(help="May be given again.")] = None,
    model: Annotated[str, typer.Option()] = "pocket",
    method: Annotated[Literal["persam", "persam-f"], typer.Option()] = "persam",
    variant: Annotated[Literal["default", "official", "memory"], typer.Option()] = "default",
    here: Annotated[bool, typer.Option("--here", help="One length, in this process.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    lengths = length or [50, 1000]
    if here:
        typer.echo(json.dumps(asdict(follow(frames, mask, lengths[0], (model, method, variant)))))
        return
    settings = {"model": model, "method": method, "variant": variant}
    words = [word for name, value in settings.items() for word in (f"--{name}", value)]
    rows = []
    for count in lengths:
        row = apart([str(frames), str(mask), *words, "--length", str(count)])
        peak, speed = row["peak_memory"] / 2**20, row["frames_per_second"]
        typer.echo(
            f"{count} frames: {peak:.1f} MiB, {speed:.1f} frames/s, there in {row['present']}"
        )
        rows.append(row)
    ratio = rows[-1]["peak_memory"] / rows[0]["peak_memory"]
    typer.echo(f"ratio of the peaks: {ratio:.3f}")
    if json_file is not None:
        facts = {"rows": rows, "ratio": ratio, "settings": settings, "environment": environment()}
        json_file.write_text(json.dumps(facts, indent=2) + "\n")


def apart(words: list[str]) -> dict:
    """Run one length in a fresh process, whose peak is its own."""
    command = [sys.executable, str(Path(__file__).absolute()), *words, "--here"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    return json.loads(done.stdout)


def follow(frames: Path, mask: Path, count: int, choice: tuple[str, str, str]) -> Length:
    """Follow the object through so many frames."""
    model, method, variant = choice
    files = list_images([frames]).photos
    concept = _LEARN[method](persam.load(model), files[0], mask=mask)
    began = perf_counter()
    answers = track(concept, played(files, count), first={"object": mask}, variant=variant)
    present = sum(answer["object"].present for answer in answers)
    seconds = perf_counter() - began
    peak = peak_memory()
    if peak is None:
        raise SystemExit("This system does not say how much memory a process held.")
    return Length(count, present, peak, round(count / seconds, 2))


def played(files: tuple[Path, ...], count: int) -> Iterator[Path]:
    """The frames there and back, again and again, so that nothing jumps."""
    return islice(cycle(chain(files, files[-2:0:-1])), count)


if __name__ == "__main__":
    typer.run(main)
