"""The figures of light.py that other benchmarks make, and a fresh environment to measure in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import typer
from rounds import Row

from persam import samples

HERE = Path(__file__).parent
# glibc told to keep what was freed, which makes plain torch much quicker, and persam no quicker.
TUNED = {"MALLOC_TRIM_THRESHOLD_": str(2**34), "MALLOC_MMAP_THRESHOLD_": str(2**33)}
# What a processor without AVX-512 would do, as far as programs can be told: torch and OpenVINO in
# fp32. ONNX Runtime's kernels cannot, nor can OpenVINO with weights of eight bits, as in pocket.
AVX2 = {
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "PERSAM_PRECISION": "fp32",
}
HELD = {
    "as it comes": {},
    "tuned allocator": TUNED,
    "AVX2": AVX2,
    "AVX2, tuned allocator": {**TUNED, **AVX2},
}
# Times faster than the plain loop, by model: of these, which goal counts where.
OFFICIAL = {
    "mobile": {"tuned allocator": 5.0, "AVX2, tuned allocator": 4.0},
    "vit-b": {"tuned allocator": 5.0, "AVX2, tuned allocator": 2.0},
}
LOOP = "file to mask, times faster than the plain loop"


def call(words: list[str], env: Mapping[str, str] | None = None) -> float:
    """Run a program; gives its seconds, and shows what it said where it failed."""
    began = perf_counter()
    done = subprocess.run(  # noqa: S603 - commands of this file
        words, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise typer.Exit(typer.echo(f"{words} failed:\n{done.stdout}{done.stderr}") or 1)
    return perf_counter() - began


def disk_use(folder: Path) -> int:
    """Bytes that the files of a folder take on the disk."""
    return sum(one.lstat().st_blocks * 512 for one in folder.rglob("*"))


@dataclass(frozen=True)
class Fresh:
    """An environment that pip has just made, and what that took.

    Attributes:
        python: its interpreter.
        seconds: of making it.
        size: of what pip has brought, compiled files among it, in bytes on the disk.
        first: seconds of the first ``persam segment`` with nothing kept from before.
    """

    python: Path
    seconds: float
    size: int
    first: float

    @classmethod
    def made(cls, folder: Path) -> Fresh:
        """Make an environment with this checkout in it, and use it once."""
        python = folder / "bin" / "python"
        call([sys.executable, "-m", "venv", str(folder)])
        before = disk_use(folder)
        install = [str(python), "-m", "pip", "install", "--quiet", "--no-cache-dir"]
        seconds = call([*install, str(HERE.parent)])
        size = disk_use(folder) - before
        photo, mask = samples.files(samples.PICTURES, 1)
        persam, home = str(folder / "bin" / "persam"), {"HOME": str(folder / "home")}
        concept, out = folder / "dog.safetensors", str(folder / "masks")
        learnt = [persam, "learn", str(photo), "--mask", str(mask), "--out", str(concept)]
        first = call(learnt, home)
        first = call([persam, "segment", str(photo), "--concept", str(concept), "--out", out], home)
        return cls(python, seconds, size, first)

    def rows(self) -> list[Row]:
        """What a person meets once."""
        return [
            Row("fresh install, MB", self.size / 1e6, 400, at_most=True),
            Row("fresh install from the registry, s", self.seconds, 60, at_most=True),
            Row("persam segment, first run, s", self.first, 2, at_most=True),
        ]


@dataclass(frozen=True)
class Part:
    """One script, in a process of its own, and which rows its report gives.

    Attributes:
        words: script and arguments, without ``--json``.
        read: its report -> rows.
        env: what is set for it.
    """

    words: list[str]
    read: Any
    env: Mapping[str, str] = field(default_factory=dict)

    def run(self, folder: Path) -> list[Row]:
        """Run it; the report is made in a folder."""
        report = folder / "report.json"
        script, *words = self.words
        typer.echo(f"{script} {' '.join(words)}", err=True)
        call([sys.executable, str(HERE / script), *words, "--json", str(report)], self.env)
        return list(self.read(json.loads(report.read_text())))


def parts(data: Path | None, video: Path | None, photos: int | None) -> Iterator[Part]:
    """Everything that needs photos or clips."""
    if data is not None:
        for count, goal in ((10, 1.4), (100, 6.0)):
            words = ["many_concepts.py", str(data), "--count", str(count)]
            words += ["--rounds", "2" if count == 100 else "5"]
            yield Part(words, lambda report, goal=goal: many(report, goal))
        some = [] if photos is None else ["--photos", str(photos)]
        for only, rounds in (("album:pocket", "3"), ("find", "2")):
            words = ["bench.py", str(data), "--only", only, "--rounds", rounds, *some]
            yield Part(words, bench_rows)
        for held, env in HELD.items():
            words = ["bench.py", str(data), "--only", "photo:mobile", "--only", "photo:vit-b"]
            words += ["--rounds", "2"]
            yield Part(words, lambda report, held=held: loops(report, held), env)
    if video is not None:
        words = ["video_memory.py", str(video), "--lengths", "100", "--heights", "480"]
        yield Part(words, frames)


def many(report: Mapping[str, Any], goal: float) -> Iterator[Row]:
    """Several objects over one, and what they take of memory."""
    said = f"{len(report['objects'])} objects in one album over one"
    (_, one), (_, several) = report["skipping the absent"].items()
    detail = {"one": one, "several": several, "peak megabytes": report["peak megabytes"]}
    yield Row(said, several["times_the_first"], goal, at_most=True, detail=detail)


def bench_rows(report: Mapping[str, Any]) -> Iterator[Row]:
    """Rows of bench.py as they are."""
    for row in report["rows"]:
        yield Row(**{name: value for name, value in row.items() if name != "met"})


def loops(report: Mapping[str, Any], held: str) -> Iterator[Row]:
    """The rows against the plain loop, by the way the programs are held."""
    for row in bench_rows(report):
        model = row.figure.split(":")[0]
        if model in OFFICIAL and row.figure == f"{model}: {LOOP}":
            goal = OFFICIAL[model].get(held)
            yield Row(f"{row.figure}; {held}", row.value, goal, typical=row.typical)


def frames(report: Mapping[str, Any]) -> Iterator[Row]:
    """Video's frames a second."""
    (row,) = report["rows"]
    yield Row("video, pocket, 480p, frames a second", row["frames_per_second"], 40, detail=row)
