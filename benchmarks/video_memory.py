"""Speed and peak memory of following an object through a short and through a long clip.

    python benchmarks/video_memory.py DATA [--model pocket] [--json benchmarks/video-memory.json]

DATA has DAVIS's layout. The first sequence of ImageSets/2016/val.txt is followed by the default,
looped, for 50 and for 1,000 frames, each in a process of its own, as a process's peak never goes
down again. Prints frames per second (reading and encoding included) and the peak resident memory.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated

import typer

import persam
from persam.evaluation.benchmark import environment


def follow(data: Path, model: str, frames: int) -> dict[str, float]:
    """Follow a looped clip in this process; frames a second and peak memory."""
    backbone = persam.load(model)
    name = (data / "ImageSets/2016/val.txt").read_text().split()[0]
    photos = sorted((data / "JPEGImages/480p" / name).glob("*.jpg"))
    mask = data / "Annotations/480p" / name / f"{photos[0].stem}.png"
    concept = persam.personalize(backbone, photos[0], mask=mask)
    began = time.perf_counter()
    clip = islice(cycle(photos), frames)
    count = sum(1 for _ in persam.track(concept, clip, first={"object": mask}))
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"frames": count, "frames_per_second": count / seconds, "peak_mib": peak}


def main(
    data: Path,
    model: str = "pocket",
    frames: Annotated[int, typer.Option(hidden=True)] = 0,
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Follow both lengths and print what each took."""
    if frames:
        typer.echo(json.dumps(follow(data, model, frames)))
        return
    rows = []
    for length in (50, 1000):
        command = [sys.executable, __file__, str(data), "--model", model, "--frames", str(length)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
        rows.append(json.loads(answer.stdout))
        typer.echo(answer.stdout.strip())
    if out is not None:
        facts = {"model": model, "version": persam.__version__, "environment": environment()}
        out.write_text(json.dumps({**facts, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
