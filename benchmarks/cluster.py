"""Ray Data on this machine beside a plain run: equal rows, processor seconds, killed processes.

    python benchmarks/cluster.py DATA --stage plain,ray,shards,killed [--photos 2000,400]
                                 [--json benchmarks/cluster.json]

The album is DATA's pictures (PerSeg's layout) under as many names as are asked for, every fiftieth
cut in half. ``ray`` is two actors on two cores; its rows are compared with the plain run's masks
and records one by one. Seconds are of the processor, of all processes together, as other programs
share the machine; beside them stands the clock. ``shards`` is the album in four shards, in four
processes at once, merged. ``killed`` kills the program in the middle, calls it again, and then
kills an actor; with fewer photos. Stages are added to the report that is there.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from lib.processes import adopt_orphans, descendants, run, spent, start, until

import persam
from persam.album.manifest import Manifest
from persam.album.result_parts import part_files, read_parts
from persam.album.rows import labels_in
from persam.evaluation.benchmark import environment
from persam.io.masks import read_mask


def album(data: Path, folder: Path, photos: int) -> Path:
    """A folder of the pictures under many names, every fiftieth cut in half."""
    place, every = folder / f"album-{photos}", sorted((data / "Images").rglob("*.jpg"))
    place.mkdir(parents=True, exist_ok=True)
    for number in range(photos):
        content = every[number % len(every)].read_bytes()
        cut = len(content) // 2 if number % 50 == 25 else len(content)
        photo = place / f"{number:05d}.jpg"
        if not photo.exists():  # a stage before has made it, and its date is in the manifest
            photo.write_bytes(content[:cut])
    return place


def concept(data: Path, folder: Path) -> Path:
    """What is looked for: the first object, shown by its first photo."""
    shown = min((data / "Images").rglob("*.jpg"))
    mask = data / "Annotations" / shown.relative_to(data / "Images").with_suffix(".png")
    place = folder / "object.safetensors"
    learnt = persam.personalize(persam.load(), shown, mask=mask)
    # One look a photo, as what is compared is the way to the model and back.
    replace(learnt, variant=replace(learnt.variant, second_look=0.0)).save(place)
    return place


def ray_words(photos: Path, learnt: Path, out: Path, part: int = 256) -> list[str]:
    words = ["cluster", "segment", str(photos), "--concept", str(learnt), "--out", str(out)]
    return [*words, "--actors", "2", "--cpus", "0.9", "--part", str(part), "--device", "cpu"]


def equal(rows: Path, masks: Path) -> dict[str, Any]:
    """How the rows stand to a plain run's records and masks."""
    records, seen = Manifest(masks).records, {}
    found: dict[str, Any] = {"rows": 0, "twice": 0, "errors": 0, "different": 0}
    apart = 0.0
    for row in read_parts(str(rows)):
        found["rows"] += 1
        found["twice"] += row["photo"] in seen
        seen[row["photo"]] = True
        record = records[row["photo"]]
        found["errors"] += row["error"] is not None
        if record.error is not None or row["error"] is not None:
            found["different"] += row["error"] != record.error
            continue
        size = row["height"], row["width"]
        mask = read_mask(record.mask(masks), size, usable=False) > 0
        same = [row["score"], row["doubtful"]] == [record.score, record.doubtful]
        apart = max(apart, abs((row["presence"] or 0) - (record.presence or 0)))
        same &= row["box"] == (None if record.box is None else list(record.box))
        found["different"] += not (same and np.array_equal(labels_in(row) > 0, mask))
    missing = len(records.keys() - seen.keys())
    # Sums over threads of another number are rounded otherwise, in the last of six digits.
    return found | {"missing": missing, "presence apart by at most": round(apart, 6)}


def once(rows: Path, photos: Path) -> dict[str, int]:
    """Whether every photo of an album has its row, and only one."""
    names = [row["photo"] for row in read_parts(str(rows))]
    every = {str(path) for path in photos.iterdir()}
    return {
        "photos": len(every),
        "rows": len(names),
        "twice": len(names) - len(set(names)),
        "missing": len(every - set(names)),
    }


def plain(place: Path, photos: Path, learnt: Path) -> dict[str, Any]:
    words = ["segment", str(photos), "--concept", str(learnt), "--out", str(place / "plain")]
    return run([*words, "--device", "cpu"])


def on_ray(place: Path, photos: Path, learnt: Path) -> dict[str, Any]:
    shutil.rmtree(place / "ray", ignore_errors=True)
    seconds = run(ray_words(photos, learnt, place / "ray"))
    return seconds | equal(place / "ray", place / "plain")


def killed(place: Path, photos: Path, learnt: Path) -> dict[str, Any]:
    """The driver killed after some parts and called again, then an actor killed after more."""
    out, after = place / "killed", {"driver": 0, "actor": 0}
    shutil.rmtree(out, ignore_errors=True)

    def parts() -> int:
        return len(part_files(str(out)))

    def kill_driver(process: subprocess.Popen[bytes]) -> None:
        until(process, lambda: parts() > 1)
        process.send_signal(signal.SIGKILL)
        after["driver"] = parts()

    def kill_actor(process: subprocess.Popen[bytes]) -> None:
        until(process, lambda: parts() > after["driver"])
        for one in descendants("Segmenter")[:1]:
            os.kill(one, signal.SIGKILL)
            after["actor"] = parts()

    words = ray_words(photos, learnt, out, 8)
    run(words, kill_driver)
    seconds = run(words, kill_actor)
    return seconds | {"parts there when killed": after} | once(out, photos)


def shards(place: Path, photos: Path, learnt: Path) -> dict[str, Any]:
    """Four shards at once, merged, beside the plain run's folder."""
    folders = [place / f"shard-{number}" for number in range(1, 5)]
    for folder in (*folders, place / "merged"):
        shutil.rmtree(folder, ignore_errors=True)
    before, began = spent(), time.perf_counter()
    processes = []
    for number, folder in enumerate(folders, start=1):
        words = ["segment", str(photos), "--concept", str(learnt), "--out", str(folder)]
        words += ["--shard", f"{number}/4", "--device", "cpu", "--quiet"]
        processes.append(start(words))
    for process in processes:
        process.wait()
    start(["merge", *map(str, folders), "--into", str(place / "merged")]).wait()
    seconds = {"processor": spent() - before, "clock": time.perf_counter() - began}
    ours, theirs = (place / "merged", place / "plain")
    masks = {path.name for path in theirs.glob("*.png")}
    same = [name for name in masks if _bytes(ours / name) == _bytes(theirs / name)]
    lines = [
        [json.loads(line) | {"seconds": 0} for line in (one / "manifest.jsonl").open()]
        for one in (ours, theirs)
    ]
    extra = {path.name for path in ours.glob("*.png")} - masks
    found = {"masks": len(masks), "byte-equal": len(same), "extra": len(extra)}
    return seconds | found | {"manifests equal but for seconds": lines[0] == lines[1]}


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


STAGES: dict[str, Callable[[Path, Path, Path], dict[str, Any]]] = {
    "plain": plain,
    "ray": on_ray,
    "shards": shards,
    "killed": killed,
}


def main(
    data: Path,
    stage: str = ",".join(STAGES),
    photos: str = "2000,400",
    folder: Path = Path("/tmp/persam-cluster"),  # noqa: S108
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Do the stages one after the other, of as many photos as --photos says: many, and fewer."""
    many, fewer = map(int, photos.split(","))
    adopt_orphans()
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    folder.mkdir(parents=True, exist_ok=True)
    learnt = folder / "object.safetensors"
    if not learnt.exists():
        learnt = concept(data, folder)
    facts: dict[str, Any] = {"data": data.name, "version": persam.__version__}
    if out is not None and out.exists():
        facts = json.loads(out.read_text())
    facts |= {"environment": environment(), "photos": many, "photos where killed": fewer}
    for name in stage.split(","):
        size = fewer if name == "killed" else many
        facts[name] = STAGES[name](folder, album(data, folder, size), learnt)
        typer.echo(f"{name}: {facts[name]}")
        if "ray" in facts and "plain" in facts:
            both = facts["ray"]["processor"], facts["plain"]["processor"]
            facts["processor seconds, Ray's of the plain run's"] = round(both[0] / both[1], 3)
        if out is not None:
            out.write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    typer.run(main)
