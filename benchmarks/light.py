"""Measure what a person waits for on an ordinary machine: a command from its start to its end.

    python benchmarks/light.py [--python .venv-light/bin/python] [--json benchmarks/light.json]
    python benchmarks/light.py --data DATA --video VIDEO --json benchmarks/light.json

Every row of the first table is a process of its own: ``persam --help``, ``import persam``, and
``persam segment`` of one photo by the built-in model (640 x 480, 12 and 108 megapixels), all after
the files have been read once. The clock says what this machine took, the processor's seconds what
it worked; where other programs run, the second number is the one to go by. Without ``--python`` a
fresh environment is made by pip first; its size, its seconds and its first run are figures, too.

With DATA (in PerSeg's layout) and VIDEO (in DAVIS's) all other figures of docs/speed.md follow:
several objects, albums, models of official sizes against the plain loop (as it comes, with an
allocator that keeps its memory, and held to AVX2), `persam find`, video. Each is a script that can
be run by itself; see ``light_figures.py``. That takes about half an hour on two quiet cores, most
of it the plain loop of ViT-B's size, and 12 GB of the disk for temporary files: the album of
`persam find` is 10,000 copies of DATA's photos, each with a few bytes of its own, so that each has
its own entry in the cache; the album of 500 is copies, too. Prints Markdown tables; Linux only.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import light_figures
import numpy as np
import typer
from PIL import Image
from rounds import HEAD, Row

from persam import samples
from persam.evaluation.reports import environment

LARGE = {"12 megapixels": (4000, 3000), "108 megapixels": (12_000, 9_000)}
PEAKS = {"640 x 480": 0.25, "12 megapixels": 0.4, "108 megapixels": 1.0}
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


def goals(rows: Mapping[str, Cost]) -> list[Row]:
    """The processes as figures with goals: seconds of the clock, and memory."""
    said = "persam segment"
    seconds = {"persam --help": 0.25, "import persam": 0.05, f"{said}, 640 x 480": 1.0}
    memory = {f"{said}, {of}": goal for of, goal in PEAKS.items()}
    return [
        *(
            Row(f"{name}, s", rows[name].clock, goal, at_most=True)
            for name, goal in seconds.items()
        ),
        *(Row(f"{n}, peak GB", rows[n].peak / 1e9, g, at_most=True) for n, g in memory.items()),
    ]


def main(  # noqa: PLR0913, PLR0917 - a command's options are its parameters
    python: Annotated[str | None, typer.Option(help="Of the environment to measure.")] = None,
    rounds: Annotated[int, typer.Option()] = 5,
    data: Annotated[Path | None, typer.Option(help="Photos in PerSeg's layout.")] = None,
    video: Annotated[Path | None, typer.Option(help="Clips in DAVIS's layout.")] = None,
    photos: Annotated[int | None, typer.Option(help="Of every album; as few as try it.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """See the file's own text."""
    rows: dict[str, Cost] = {}
    figures: list[Row] = []
    with TemporaryDirectory() as place:
        folder = Path(place)
        if python is None:
            fresh = light_figures.Fresh.made(folder / "fresh")
            python, figures = str(fresh.python), fresh.rows()
        photo, mask = samples.files(samples.PICTURES, 1)
        words = ["learn", str(photo), "--mask", str(mask), "--out", str(folder / "dog.safetensors")]
        measured(python, COMMAND.format(words=words), 1)
        for name, code in programs(folder).items():
            rows[name] = measured(python, code, rounds)
        figures += goals(rows)
        report = partial(_report, rows, figures, rounds)
        for part in light_figures.parts(data, video, photos):
            figures += part.run(folder)
            if json_file is not None:  # a part takes minutes: what is known is kept after each
                json_file.write_text(report())
    typer.echo("| | processor, s | clock, s | peak, MB |\n| --- | --- | --- | --- |")
    for name, cost in rows.items():
        numbers = f"{cost.processor:.2f} | {cost.clock:.2f} | {cost.peak / 1e6:.0f}"
        typer.echo(f"| {name} | {numbers} |")
    typer.echo(f"\n{HEAD}")
    for row in figures:
        typer.echo(str(row))
    if json_file is not None:
        json_file.write_text(report())


def _report(rows: Mapping[str, Cost], figures: Sequence[Row], rounds: int) -> str:
    """Everything measured so far, as JSON."""
    facts = {"environment": environment(), "rounds": rounds}
    facts["load"] = np.round(os.getloadavg(), 1).tolist()
    facts["rows"] = {name: asdict(cost) for name, cost in rows.items()}
    facts["figures"] = [row.facts() for row in figures]
    return json.dumps(facts, indent=2) + "\n"


if __name__ == "__main__":
    typer.run(main)
