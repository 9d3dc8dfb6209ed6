"""How the readers take damaged files: `make fuzz`, and the counts in benchmarks/robustness.md.

Every input is read as a command reads it. What may come of it is an answer or persam's own error;
anything else is counted: another exception, more than ten seconds, more than 1 GB, a crash.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import pickle
import platform
import resource
import signal
import tempfile
import time
from collections import Counter
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from lib.mutations import (
    clips,
    exif_blocks,
    json_text,
    label_files,
    mutated,
    mutated_header,
    pictures,
)

from persam.album.manifest import Manifest, Record, Stamp
from persam.errors import PersamError
from persam.evaluation.datasets.annotations import read_pickle
from persam.evaluation.records import Finding, read_log, to_line
from persam.io.concept_file import StoredConcept, StoredReference, read_concept, write_concept
from persam.io.images import read_image, read_reduced
from persam.io.labels import read_label_set
from persam.io.masks import read_mask
from persam.io.metadata import read_metadata
from persam.io.own_files import OwnFiles
from persam.io.picture_file import picture_size
from persam.io.safetensors_header import joined, parted
from persam.structures import Calibration, ModelSpec
from persam.variants import Variant
from persam.video.clip import open_clip
from persam.video.encoders import VideoWriter, h264
from persam.video.record import ClipRun, FrameLine

if TYPE_CHECKING:
    from collections.abc import Callable

SLOW = 10  # seconds
MOST_FRAMES = 100  # of a clip; some say that they have thousands, each in no time
GREEDY = 1_000_000  # KB above what the process had
OUTCOMES = ("answers", "clean errors", "foreign exceptions", "hangs", "crashes", "above 1 GB")


class Hang(BaseException):
    """Raised in the middle of a read that takes too long."""


def read_picture(path: Path) -> None:
    """All that is done with a photo."""
    for read in (read_image, picture_size, read_metadata, lambda p: read_reduced(p, 500)):
        try:
            read(path)
        except PersamError as error:
            last = error
        else:
            last = None
    with suppress(PersamError):
        read_mask(path, (40, 52))
    if last is not None:
        raise last


def read_records(path: Path) -> None:
    """A file of JSON as every record that persam reads."""
    folder = path.parent
    failed: PersamError | None = None
    line = path.read_text(encoding="utf-8", errors="replace").replace("\n", " ")
    (folder / "manifest.jsonl").write_text(line + "\n" + line + "\n", encoding="utf-8")
    (folder / ".persam-files.jsonl").write_text(line + "\n" + line + "\n", encoding="utf-8")
    readers: list[Callable[[], Any]] = [
        lambda: Manifest(folder),
        lambda: OwnFiles(folder),
        lambda: read_log(folder / "manifest.jsonl"),
        lambda: ClipRun.read(path),
        lambda: _strict(line),
        *_upper_rooms(path),
    ]
    for read in readers:
        try:
            read()
        except PersamError as error:
            failed = error
    if failed is not None:
        raise failed


def _strict(line: str) -> None:
    try:
        FrameLine.from_json(line)
    except ValueError as error:
        raise PersamError(str(error)) from error


def _upper_rooms(path: Path) -> list[Callable[[], Any]]:
    """Readers of rooms above: a subject's folder, a run of an evaluation."""
    from persam.dreambooth.subject import peek_subject
    from persam.evaluation.run_file import read_run

    (path.parent / "subject.json").write_bytes(path.read_bytes())
    return [lambda: peek_subject(path.parent), lambda: read_run(path)]


def read_clip(path: Path) -> None:
    """All frames of a clip, and its sound into another one."""
    clip = open_clip(path)
    sound = path if clip.has_sound else None
    writer = VideoWriter(path.parent / "out.mp4", h264(clip.width, clip.height), clip.format, sound)
    try:
        for frame in islice(clip, MOST_FRAMES):
            writer.write(frame, frame.image)
        writer.close()
    finally:
        writer.discard()


def read_labels(path: Path) -> None:
    """A folder of labels, one file of which is damaged, with every mask and picture in it."""
    folder = next(one for one in path.parents if one.name in LABELS)
    for name, data in LABELS[folder.name].items():
        if not (folder / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
    try:
        found = read_label_set(folder)
        for picture in found.pictures:
            for label in picture.labels:
                if label.kind == "mask":
                    _ = label.mask
            if picture.at_hand:
                with suppress(PersamError):
                    read_image(picture.source)
    finally:
        path.unlink()
    if found.problems:
        raise PersamError(found.problems[0])


def _plugin(path: Path) -> None:
    from persam.models.stable_sam.plugin_file import read_plugin

    read_plugin(path)


def _stable_plugin() -> bytes:
    """A small plugin."""
    from persam.models.stable_sam.modules import StableOptions
    from persam.models.stable_sam.plugin_file import plugin_bytes, untrained

    return _without_digest(plugin_bytes(untrained(8, StableOptions(width=4), "pocket")))


def _seeds() -> list[dict[str, Any]]:
    record = Record(
        "/p/dog.jpg",
        "dog.png",
        0.5,
        (1, 2, 3, 4),
        ((5, 6, 1),),
        seconds=1.0,
        stamp=Stamp("a", 1, 2),
    )
    frame = {"present": True, "score": 0.5, "box": [1, 2, 3, 4], "likeness": 0.1}
    photo = {"name": "p1", "source": "/p/1.jpg", "masked": True, "share": 0.5, "score": 0.9}
    choices = {"class_name": "dog", "resolution": 64, "backgrounds": ["white"]}
    return [
        json.loads(record.to_json()),
        json.loads(to_line(Finding("cat", "01", 0.5, (1, 2)))),
        {"index": 0, "name": "0001", "pts": 0, "seconds": 0.0, "objects": {"dog": frame}},
        {"settings": {"model": "a", "variant": {"alpha": 1}}, "ended": {"frames": 3}},
        {"settings": {"model": "a"}, "version": "0.1.0", "environment": {}},
        {"version": 1, "choices": choices, "photos": [photo]},
        {"file": "a/b.png", "sha256": "0" * 64},
    ]


def inputs(kind: str, noise: np.random.Generator) -> tuple[str, bytes]:
    """One input: a file's name and its contents."""
    if kind in SOURCES:
        every = SOURCES[kind]()
        name = sorted(every)[int(noise.integers(len(every)))]
        return name, mutated(every[name], noise)
    if kind == "EXIF blocks":
        return "photo.jpg", exif_blocks(noise)
    if kind in HEADED:
        return f"{kind}.safetensors", mutated_header(HEADED[kind], noise)
    if kind == "labels":
        return _damaged_labels(noise)
    if kind == "pickles":
        return "labels.pkl", mutated(pickle.dumps(PICKLED, int(noise.integers(6))), noise)
    seed = SEEDS[int(noise.integers(len(SEEDS)))]
    return "run.json", json_text(seed, noise)


def _damaged_labels(noise: np.random.Generator) -> tuple[str, bytes]:
    """One file of a folder of labels."""
    kind = str(noise.choice(sorted(LABELS)))
    every = sorted(LABELS[kind])
    # A picture's own damage is another kind.
    names = [n for n in every if not n.endswith((".jpg", ".png")) or "Segmentation" in n]
    name = names[int(noise.integers(len(names)))]
    data = LABELS[kind][name]
    if name.endswith(".json") and noise.random() < 0.7:
        data = json_text(json.loads(data), noise)
    else:
        data = mutated(data, noise)
    return f"{kind}/{name}", data


def _concept() -> bytes:
    """A concept file with few and short arrays."""
    noise = np.random.default_rng(0)
    sizes = {"target_feature": (8,), "target_embedding": (8,)}
    sizes |= {"foreground": (3, 8), "background": (4, 8), "colours": (3, 3)}
    arrays = {name: noise.standard_normal(size).astype(np.float32) for name, size in sizes.items()}
    stored = StoredConcept(
        model=ModelSpec("pocket"),
        method="persam-f",
        variant=Variant(),
        weights=(0.2, 0.3, 0.5),
        calibration=Calibration(0.3, 40.0),
        references=(StoredReference(arrays, {"prompt": "mask", "size": [4, 5]}),),
        negatives=(),
    )
    with tempfile.TemporaryDirectory() as folder:
        write_concept(stored, Path(folder) / "c.safetensors")
        return _without_digest((Path(folder) / "c.safetensors").read_bytes())


def _without_digest(data: bytes) -> bytes:
    """A file without what would refuse most damage at once."""
    header, body = parted(data)
    del header["__metadata__"]["sha256"]
    return joined(header, body)


HEADED = {"concepts": _concept(), "plugins": _stable_plugin()}
PICKLED = {1: {"a.jpg": {"annotations": [{"segmentation": np.eye(3), "counts": b"91"}, [1.5]]}}}
LABELS = label_files()
SOURCES = {"pictures": pictures, "clips": clips}
SEEDS = _seeds()
READERS: dict[str, Callable[[Path], None]] = {
    "pictures": read_picture,
    "EXIF blocks": read_picture,
    "records": read_records,
    "concepts": read_concept,
    "pickles": read_pickle,
    "clips": read_clip,
    "labels": read_labels,
    "plugins": _plugin,
}


def one(kind: str, seed: int, folder: Path) -> tuple[str, str]:
    """Read one input; gives the outcome and, where it is a bad one, what it was."""
    name, data = inputs(kind, np.random.default_rng(seed))
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.alarm(SLOW)
    try:
        READERS[kind](path)
        outcome, what = "answers", ""
    except PersamError:
        outcome, what = "clean errors", ""
    except Hang:
        outcome, what = "hangs", name
    except BaseException as error:  # to be counted is what this is for
        outcome, what = "foreign exceptions", f"{name}: {type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before > GREEDY:
        outcome, what = "above 1 GB", name
    return outcome, what


def batch(job: tuple[str, int, int]) -> tuple[Counter[str], list[str]]:
    """Many inputs in a process of their own, so that a crash is counted and not suffered."""
    kind, first, count = job
    signal.signal(signal.SIGALRM, _hang)
    counts: Counter[str] = Counter()
    bad = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + count):
            outcome, what = one(kind, seed, Path(folder))
            counts[outcome] += 1
            if what:
                bad.append(f"{kind} {seed}: {outcome}: {what}"[:300])
    return counts, bad


def _hang(*_: object) -> None:
    raise Hang


def main() -> None:
    """Run for a while, print and write what came."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="inputs of each kind")
    parser.add_argument("--seconds", type=float, default=3600, help="at most, for each kind")
    parser.add_argument("--first", type=int, default=0, help="seed of the first input")
    parser.add_argument("--kinds", nargs="*", choices=[*READERS], default=[*READERS])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    report: dict[str, Any] = {"machine": platform.processor() or platform.machine(), "kinds": {}}
    for kind in arguments.kinds:
        counts, bad, began = Counter[str](), [], time.monotonic()
        size, first = 500, arguments.first
        while first < arguments.first + arguments.count:
            found, some = _in_a_process((kind, first, size))
            counts += found
            bad += some
            first += size
            if time.monotonic() - began > arguments.seconds:
                break
        report["kinds"][kind] = {"inputs": counts.total(), **{n: counts[n] for n in OUTCOMES}}
        print(kind, report["kinds"][kind], flush=True)  # noqa: T201
        print(*bad[:20], sep="\n", flush=True)  # noqa: T201
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")
    bad_ones = sum(r[n] for r in report["kinds"].values() for n in OUTCOMES[2:])
    raise SystemExit(1 if bad_ones else 0)


def _in_a_process(job: tuple[str, int, int]) -> tuple[Counter[str], list[str]]:
    receive, send = multiprocessing.Pipe(duplex=False)

    def work() -> None:
        send.send(batch(job))

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    send.close()
    try:
        result = receive.recv()
    except EOFError:
        result = Counter({"crashes": 1}), [f"{job}: the process ended by itself"]
    process.join()
    return result


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
