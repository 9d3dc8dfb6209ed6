"""Ray Data and shards on this machine beside a plain run: equal results, seconds, killed processes.

    python benchmarks/cluster.py DATA [--photos 2000] [--folder /tmp/persam-cluster]
                                 [--stage plain,ray,killed,shards] [--json benchmarks/cluster.json]

The album is DATA's pictures (PerSeg's layout) under as many names as are asked for, every fiftieth
cut in half. ``plain`` is `persam segment`, what the other stages are compared with. ``ray`` is two
actors on two cores: its rows beside the plain run's masks and records, one by one, and its seconds
beside the plain run's; those of the clock count where nothing else runs. ``killed`` kills the
program after a third of the photos, calls it again and kills an actor after two thirds. ``shards``
is the album in four shards, in four processes at once, merged. What a stage has found is kept in
the folder, so that a stopped call goes on after the last whole stage; a fresh folder measures anew.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from lib.processes import adopt_orphans, descendants, run, spent, start, until

import persam
from persam.album.manifest import Manifest, Record
from persam.album.result_parts import part_files, read_parts
from persam.album.rows import Row, labels_in
from persam.evaluation.benchmark import environment
from persam.io.masks import read_mask

Facts = dict[str, Any]
ROUNDING = 1e-6


def album(data: Path, folder: Path, photos: int) -> Path:
    """A folder of the pictures under many names, every fiftieth cut in half."""
    place, every = folder / "album", sorted((data / "Images").rglob("*.jpg"))
    place.mkdir(exist_ok=True)
    for number in range(photos):
        content = every[number % len(every)].read_bytes()
        cut = len(content) // 2 if number % 50 == 25 else len(content)
        photo = place / f"{number:05d}.jpg"
        if not photo.exists():  # a call before has made it, and its date is in the manifest
            photo.write_bytes(content[:cut])
    return place


def concept(data: Path, folder: Path) -> Path:
    """What is looked for: the first object, shown by its first photo."""
    shown = min((data / "Images").rglob("*.jpg"))
    mask = data / "Annotations" / shown.relative_to(data / "Images").with_suffix(".png")
    place = folder / "object.safetensors"
    if not place.exists():
        persam.personalize(persam.load(), shown, mask=mask).save(place)
    return place


@dataclass(frozen=True)
class Job:
    """An album, what is looked for in it, and where results go."""

    place: Path
    album: Path
    learnt: Path
    photos: int

    def segment(self, out: Path, *more: str) -> list[str]:
        """Words of a plain run."""
        words = ["segment", str(self.album), "--concept", str(self.learnt), "--out", str(out)]
        return [*words, "--device", "cpu", "--quiet", *more]

    def on_ray(self, out: Path, part: int) -> list[str]:
        """Words of a run by Ray."""
        words = ["cluster", *self.segment(out), "--actors", "2", "--cpus", "0.9"]
        return [*words, "--part", str(part), "--batch", str(min(32, part))]


def plain(job: Job) -> Facts:
    out = _fresh(job.place / "plain")
    seconds = run(job.segment(out))
    masks = sum(record.error is None for record in Manifest(out).records.values())
    return seconds | {"masks": masks}


def ray(job: Job) -> Facts:
    out = _fresh(job.place / "ray")
    return run(job.on_ray(out, 256)) | compared(out, job)


def killed(job: Job) -> Facts:
    """The program killed and called again, then an actor killed."""
    out, done = _fresh(job.place / "killed"), {"program": 0, "actor": 0}
    part = max(1, job.photos // 24)
    words = job.on_ray(out, part)

    def kill_program(process: subprocess.Popen[bytes]) -> None:
        until(process, lambda: len(part_files(str(out))) >= 8)
        process.send_signal(signal.SIGKILL)
        done["program"] = part * len(part_files(str(out)))

    def kill_actor(process: subprocess.Popen[bytes]) -> None:
        until(process, lambda: len(part_files(str(out))) >= 16)
        for one in descendants("Segmenter")[:1]:
            os.kill(one, signal.SIGKILL)
            done["actor"] = part * len(part_files(str(out)))

    first = run(words, kill_program)["exit code"]
    return run(words, kill_actor) | {
        "photos done when killed": done,
        "exit code of the killed program": first,
        **compared(out, job),
    }


def compared(rows: Path, job: Job) -> Facts:
    """How the rows of a run by Ray stand to the plain run's records and masks."""
    masks = job.place / "plain"
    records, seen = Manifest(masks).records, set()
    found = {"rows": 0, "twice": 0, "errors": 0, "different": 0}
    apart = 0.0
    for row in read_parts(str(rows)):
        name = row["photo"]
        record = records[name]
        found["rows"] += 1
        found["twice"] += name in seen
        found["errors"] += row["error"] is not None
        found["different"] += not _equal(row, record, masks)
        apart = max(apart, abs((row["presence"] or 0) - (record.presence or 0)))
        seen.add(name)
    missing = len({str(path) for path in job.album.iterdir()} - seen)
    return found | {"missing": missing, "presence apart by at most": round(apart, 6)}


def _equal(row: Row, record: Record, masks: Path) -> bool:
    if row["error"] is not None or record.error is not None:
        return row["error"] == record.error
    theirs = json.loads(record.to_json())
    # Sums over threads of another number are rounded otherwise, in the last of six digits.
    near = abs((row["presence"] or 0) - (record.presence or 0)) <= ROUNDING
    same = all(row[fact] == theirs[fact] for fact in ("score", "box", "points", "doubtful"))
    size = row["height"], row["width"]
    mask = read_mask(record.mask(masks), size, usable=False) > 0
    return near and same and np.array_equal(labels_in(row) > 0, mask)


def shards(job: Job) -> Facts:
    """Four shards at once, merged, beside the plain run's folder."""
    folders = [_fresh(job.place / f"shard-{number}") for number in range(1, 5)]
    merged, single = _fresh(job.place / "merged"), job.place / "plain"
    began, before = time.perf_counter(), spent()
    processes = [
        start(job.segment(folder, "--shard", f"{number}/4"))
        for number, folder in enumerate(folders, start=1)
    ]
    codes = [process.wait() for process in processes]
    merge = start(["merge", *map(str, folders), "--into", str(merged)])
    codes.append(merge.wait())
    seconds = {"processor": spent() - before, "clock": time.perf_counter() - began}
    names = {path.name for one in (merged, single) for path in one.glob("*.png")}
    same = sum(_bytes(merged / name) == _bytes(single / name) for name in names)
    lines = [
        [json.loads(line) | {"seconds": None} for line in (one / "manifest.jsonl").open()]
        for one in (merged, single)
    ]
    found = {"masks": len(names), "byte-equal": same}
    found |= {"lines of the manifest": len(lines[1])}
    return seconds | {"exit codes": codes, **found, "manifests equal": lines[0] == lines[1]}


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


STAGES: dict[str, Callable[[Job], Facts]] = {
    "plain": plain,
    "ray": ray,
    "killed": killed,
    "shards": shards,
}


def main(
    data: Path,
    photos: int = 2000,
    folder: Path = Path("/tmp/persam-cluster"),  # noqa: S108
    stage: str = ",".join(STAGES),
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Do the stages that the folder has no results of, one after the other."""
    adopt_orphans()
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "facts.json"
    facts: Facts = {"data": data.name, "version": persam.__version__, "photos": photos}
    facts |= {"environment": environment()}
    if kept.exists():
        earlier = json.loads(kept.read_text())
        if earlier["photos"] != photos:
            raise typer.BadParameter(
                f"{folder} is of {earlier['photos']} photos, not of {photos}: choose another."
            )
        facts |= {name: earlier[name] for name in STAGES if name in earlier}
    job = Job(folder, album(data, folder, photos), concept(data, folder), photos)
    for name in stage.split(","):
        if name not in facts:
            facts[name] = STAGES[name](job)
        typer.echo(f"{name}: {facts[name]}")
        for seconds in ("processor", "clock") if {"plain", "ray"} <= facts.keys() else ():
            ratio = facts["ray"][seconds] / facts["plain"][seconds]
            facts[f"{seconds} seconds, Ray's of the plain run's"] = round(ratio, 3)
        for place in (kept, out):
            if place is not None:
                place.write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    typer.run(main)
