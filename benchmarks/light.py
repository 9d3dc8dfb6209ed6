"""Measure what a person waits for on an ordinary machine: a command from its start to its end.

    python benchmarks/light.py [--python .venv-light/bin/python] [--json benchmarks/light.json]

Every row is a process of its own: ``persam --help``, ``import persam``, and ``persam segment`` of
one photo by the built-in model (640 x 480, 12 and 88 megapixels), all after the files have been
read once. The clock says what this machine took, the processor's seconds what it worked; where
other programs run, the second number is the one to go by. Prints a Markdown table; Linux only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from persam import samples
from persam.evaluation.reports import environment

LARGE = {"12 megapixels": (4000, 3000), "88 megapixels": (10_900, 8_073)}
CALL = """
import resource, sys, time
began = time.perf_counter()
try:
    {code}
except SystemExit as stopped:
    if stopped.code:
        raise
used = resource.getrusage(resource.RUSAGE_SELF)
status = open("/proc/self/status").read()  # ru_maxrss would be the parent's where that is larger
peak = 1024 * int(status.split("VmHWM:")[1].split()[0])
print("MEASURED", used.ru_utime + used.ru_stime, time.perf_counter() - began, peak)
"""
COMMAND = "from persam.cli import main; sys.argv = ['persam', *{words!r}]; main()"


@dataclass(frozen=True)
class Cost:
    """What one command costs: the least over all rounds.

    Attributes:
        processor: seconds of all cores.
        clock: seconds from its first line to its last.
        peak: bytes of memory at most.
    """

    processor: float
    clock: float
    peak: int


def measured(python: str, code: str, rounds: int) -> Cost:
    """Run a program again and again, each time in a process of its own."""
    found = []
    taken = ("PERSAM_ENGINE", "PERSAM_PRECISION")
    env = {name: value for name, value in os.environ.items() if name not in taken}
    for _ in range(rounds):
        done = subprocess.run(  # noqa: S603 - the interpreter that the user names
            [python, "-c", CALL.format(code=code)],
            capture_output=True,
            text=True,
            check=True,
            env=env,
        )
        words = done.stdout.rsplit("MEASURED", 1)[1].split()
        found.append((float(words[0]), float(words[1]), int(words[2])))
    return Cost(*(min(column) for column in zip(*found, strict=True)))


def programs(folder: Path) -> dict[str, str]:
    """The commands to measure, by name; the concept and the photos lie in the folder."""
    photo, _ = samples.files(samples.PICTURES, 2)
    photos = {"640 x 480": photo}
    for name, size in LARGE.items():
        photos[name] = folder / f"{name}.jpg"
        with Image.open(photo) as image:
            image.resize(size, Image.Resampling.BILINEAR).save(photos[name], quality=90)
    found = {"persam --help": COMMAND.format(words=["--help"]), "import persam": "import persam"}
    for name, path in photos.items():
        words = ["segment", str(path), "--concept", str(folder / "dog.safetensors"), "--quiet"]
        words += ["--out", str(folder / name), "--overwrite"]
        found[f"persam segment, {name}"] = COMMAND.format(words=words)
    return found


def main(
    python: Annotated[str, typer.Option(help="Of the environment to measure.")] = sys.executable,
    rounds: Annotated[int, typer.Option()] = 5,
    json_file: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """See the file's own text."""
    rows: dict[str, Cost] = {}
    with TemporaryDirectory() as place:
        folder = Path(place)
        photo, mask = samples.files(samples.PICTURES, 1)
        words = ["learn", str(photo), "--mask", str(mask), "--out", str(folder / "dog.safetensors")]
        measured(python, COMMAND.format(words=words), 1)
        for name, code in programs(folder).items():
            rows[name] = measured(python, code, rounds)
    typer.echo("| | processor, s | clock, s | peak, MB |\n| --- | --- | --- | --- |")
    for name, cost in rows.items():
        numbers = f"{cost.processor:.2f} | {cost.clock:.2f} | {cost.peak / 1e6:.0f}"
        typer.echo(f"| {name} | {numbers} |")
    if json_file is not None:
        load = np.round(os.getloadavg(), 1).tolist()
        facts = {"environment": environment(), "rounds": rounds, "load": load}
        facts["rows"] = {name: asdict(cost) for name, cost in rows.items()}
        json_file.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
