"""Speed and peak memory of following an object through a short and through a long clip.

    python benchmarks/video_memory.py DATA [--model pocket] [--lengths 50,1000] [--heights 480]
        [--json benchmarks/video-memory.json]

DATA has DAVIS's layout. The first sequence of ImageSets/2016/val.txt is followed by the default,
looped, for each length and scaled to each height, each in a process of its own, as a process's peak
never goes down again. Prints frames per second, processor seconds per frame (reading, scaling and
encoding included) and the peak resident memory. `--model` may be a folder of a small model with
random weights, where only the memory matters.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import cycle, islice, product
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image

import persam
from persam.evaluation.benchmark import environment


def scaled(path: Path, height: int, kind: str) -> np.ndarray:
    """A picture of that height."""
    picture = Image.open(path).convert(kind)
    width = 2 * round(picture.width * height / picture.height / 2)
    how = Image.Resampling.NEAREST if kind == "L" else Image.Resampling.BILINEAR
    return np.asarray(picture.resize((width, height), how))


def follow(data: Path, model: str, frames: int, height: int) -> dict[str, float]:
    """Follow a looped clip in this process; frames a second and peak memory."""
    backbone = persam.load(model)
    name = (data / "ImageSets/2016/val.txt").read_text().split()[0]
    photos = sorted((data / "JPEGImages/480p" / name).glob("*.jpg"))
    mask = scaled(data / "Annotations/480p" / name / f"{photos[0].stem}.png", height, "L") > 0
    concept = persam.personalize(backbone, scaled(photos[0], height, "RGB"), mask=mask)
    began, worked = time.perf_counter(), time.process_time()
    clip: Iterator[np.ndarray] = (
        scaled(photo, height, "RGB") for photo in islice(cycle(photos), frames)
    )
    count = sum(1 for _ in persam.track(concept, clip, first={"object": mask}))
    seconds = time.perf_counter() - began
    worked = (time.process_time() - worked) / count
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "frames": count,
        "height": height,
        "frames_per_second": count / seconds,
        "processor_seconds_per_frame": worked,
        "peak_mib": peak,
    }


def main(  # noqa: PLR0913, PLR0917
    data: Path,
    model: str = "pocket",
    lengths: str = "50,1000",
    heights: str = "480",
    frames: Annotated[int, typer.Option(hidden=True)] = 0,
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Follow both lengths and print what each took."""
    if frames:
        typer.echo(json.dumps(follow(data, model, frames, int(heights))))
        return
    rows = []
    for height, length in product(heights.split(","), lengths.split(",")):
        command = [sys.executable, __file__, str(data), "--model", model]
        command += ["--frames", length, "--heights", height]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
        rows.append(json.loads(answer.stdout))
        typer.echo(answer.stdout.strip())
    if out is not None:
        facts = {
            "model": Path(model).name,
            "version": persam.__version__,
            "environment": environment(),
        }
        out.write_text(json.dumps({**facts, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
