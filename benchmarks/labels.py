"""The story of docs/labels.md on real photos: five labelled ones in, fifty out, in five formats.

    python benchmarks/labels.py DATA [--json benchmarks/labels.json]

Labelled are three photos of a cat and two of a dog; the fifty are the five others of both, and 45
of other objects. Told by the commands that a person types. Every folder that comes out is opened by
its tool's own library where that is installed (persam[tools]), and has to show the same classes
with the same ids as the folder that went in. Reported: what was found, and which libraries opened
it. DATA holds Images/OBJECT/*.jpg and Annotations/OBJECT/*.png.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from lib.tool_openers import TOOLS, Tool
from typer.testing import CliRunner

from persam.cli import app
from persam.io.images import read_image
from persam.io.labels import (
    Label,
    LabelClass,
    LabelledPicture,
    LabelSet,
    read_label_set,
    write_label_set,
)
from persam.io.masks import read_mask
from persam.metrics import iou

CLASSES = (LabelClass(0, "cat", "#cc2222"), LabelClass(1, "dog", "#2244aa"))
OBJECTS = {"cat_1": "cat", "dog_1": "dog"}
LABELLED = ("cat_1-00", "cat_1-01", "cat_1-02", "dog_1-00", "dog_1-01")
ALL = 55


def album(data: Path, folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """Put the photos into one folder; masks by stem and class."""
    own = [f"{name}-0{number}" for name in OBJECTS for number in range(5)]
    others = sorted(path.name for path in (data / "Images").iterdir() if path.name not in OBJECTS)
    left = [f"{name}-02" for name in others if name[:3] not in ("cat", "dog")]
    left += [f"{name}-03" for name in others if name[:3] not in ("cat", "dog")]
    truth = {}
    folder.mkdir()
    for stem in (own + left)[:ALL]:
        name, number = stem.rsplit("-", 1)
        shutil.copy(data / "Images" / name / f"{number}.jpg", folder / f"{stem}.jpg")
        size = read_image(folder / f"{stem}.jpg").shape[:2]
        mask = read_mask(data / "Annotations" / name / f"{number}.png", size) > 127
        truth[stem] = {OBJECTS[name]: mask} if name in OBJECTS else {}
    return truth


def labelled(folder: Path, truth: dict[str, dict[str, np.ndarray]]) -> LabelSet:
    """What a person labelled."""
    pictures = []
    for stem in LABELLED:
        marks = tuple(Label.of_mask(name, mask) for name, mask in truth[stem].items())
        path = folder / f"{stem}.jpg"
        pictures.append(LabelledPicture(path.name, marks[0].size, marks, path))
    return LabelSet(CLASSES, tuple(pictures))


def persam(*words: object) -> str:
    """Run a command as a person types it."""
    result = CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
    if result.exit_code != 0:
        raise SystemExit(result.output)
    return result.output


def opened(tool: Tool, given: Path, made: Path) -> dict[str, object]:
    """What the tool's own library says."""
    if find_spec(tool.module.partition(".")[0]) is None:
        return {"library": tool.package, "version": None}
    before, after = tool.open(given), tool.open(made)
    return {
        "library": tool.package,
        "version": _version(tool.package),
        "pictures": len(after.pictures),
        "classes_and_ids_equal": before.classes == after.classes,
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def figures(made: LabelSet, truth: dict[str, dict[str, np.ndarray]]) -> dict[str, object]:
    """How right the labels of the fifty are."""
    scores, strange = [], 0
    for picture in made.pictures:
        stem = Path(picture.name).stem
        if stem in LABELLED:
            continue
        found = {one.name: one.mask for one in picture.labels}
        for name, mask in truth[stem].items():
            scores.append(float(iou(found[name], mask)) if name in found else 0.0)
        strange += len(found.keys() - truth[stem].keys())
    return {
        "photos": len(made.pictures) - len(LABELLED),
        "objects": len(scores),
        "miou": round(float(np.mean(scores)), 4),
        "found": sum(score > 0.5 for score in scores),
        "found_where_it_is_not": strange,
    }


def main() -> None:
    """Tell the story in every format."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    report: dict[str, object] = {"command": f"python benchmarks/labels.py {options.folder.name}"}
    with TemporaryDirectory() as place:
        root = Path(place)
        truth = album(options.folder, root / "photos")
        labels = labelled(root / "photos", truth)
        for name, tool in TOOLS.items():
            report[name] = _told(root, name, tool, (labels, truth))
    text = json.dumps(report, indent=1)
    sys.stdout.write(f"{text}\n")
    if options.json is not None:
        options.json.write_text(f"{text}\n", encoding="utf-8")


def _told(
    root: Path, name: str, tool: Tool, known: tuple[LabelSet, dict[str, dict[str, np.ndarray]]]
) -> dict[str, object]:
    labels, truth = known
    given, learnt, out = (root / name / part for part in ("given", "pets.safetensors", "out"))
    write_label_set(labels, given, name)
    start = time.process_time()
    persam("learn", given, "--images", root / "photos", "--out", learnt)
    words = ("segment", "--concept", learnt, root / "photos", "--out", out, "--save", name)
    persam(*words, "--cache", root / "cache")
    seconds = round(time.process_time() - start, 1)
    made = out / "labels" / name
    read = read_label_set(made)
    return {
        "processor_seconds": seconds,
        **figures(read, truth),
        "opened": opened(tool, given, made),
    }


if __name__ == "__main__":
    main()
