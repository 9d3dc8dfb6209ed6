"""YOLO: a text file a picture, a line an object, in shares of the picture; classes in data.yaml."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from persam.errors import InputError, MissingExtra
from persam.io.folders import real_path
from persam.io.labels import outlines
from persam.io.labels.fields import Problems, as_mapping, as_number, as_text, as_whole, read_text
from persam.io.labels.label_set import LabelledPicture, LabelSet
from persam.io.labels.notes import Notes
from persam.io.labels.pictures import PictureFolder, upright_size
from persam.io.labels.structures import Label, LabelClass
from persam.io.labels.writing import Target, Written
from persam.io.writers import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = "data.yaml"
_SPLITS = ("train", "val", "test")
_NO_LABELS = frozenset({"classes", "labels", "obj", "train", "val", "test", "readme"})


def read_yolo(path: Path, pictures: PictureFolder) -> LabelSet:
    """Read boxes and outlines in YOLO's form.

    Args:
        path: ``data.yaml``, or the folder in which it lies.
        pictures: where the pictures are, besides the folders that data.yaml names.

    Raises:
        InputError: no classes, or no label file; single bad lines are problems of the answer.
    """
    file = path if path.is_file() else data_file(path)
    data = _yaml(file)
    notes = Notes.read(file.parent)
    classes = _classes(data, file, notes)
    root, folders = _folders(file, data)
    here = PictureFolder([*pictures.folders, *folders])
    problems = Problems()
    found = []
    for text in _label_files(root, folders):
        with problems.noted(str(text)):
            name = text.relative_to(_label_root(text, root)).with_suffix("").as_posix()
            picture = here.get(name)
            lines = _Lines(upright_size(picture), [classes[n].name for n in sorted(classes)], data)
            known = name + picture.suffix
            labels = [notes.restored(known, one) for one in lines.read(text, problems)]
            found.append(LabelledPicture(known, lines.size, tuple(labels), picture))
    if not found and not problems.lines:
        raise InputError(f"{path} has no label files: labels/*.txt beside images/ were expected.")
    return LabelSet(tuple(classes[n] for n in sorted(classes)), tuple(found), tuple(problems.lines))


def data_file(folder: Path) -> Path:
    """The file of a folder that names the classes.

    Raises:
        InputError: there is none, or several.
    """
    if (folder / FILE).is_file():
        return folder / FILE
    found = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    if len(found) != 1:
        what = "none" if not found else " and ".join(one.name for one in found)
        raise InputError(f"{folder} needs one data.yaml that names the classes; got {what}.")
    return found[0]


def _pyyaml() -> Any:
    try:
        return import_module("yaml")
    except ImportError as error:
        raise MissingExtra("data.yaml needs an extra: pip install 'persam[labels]'") from error


def _yaml(file: Path) -> dict[str, Any]:
    yaml = _pyyaml()
    try:
        data = yaml.safe_load(read_text(file))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InputError(f"{file} is not YAML: {' '.join(str(error).split())[:200]}.") from error
    return as_mapping(data, str(file))


def _classes(data: dict[str, Any], file: Path, notes: Notes) -> dict[int, LabelClass]:
    """Classes by the number that lines give them."""
    names = data.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names:
        raise InputError(f"{file} has no names: of the classes.")
    known = {one.name: one for one in notes.classes}
    classes = {}
    for number, name in names.items():
        index = as_whole(number, f"{file}: the number of a class")
        text = as_text(name if not isinstance(name, int) else str(name), f"{file}: a class name")
        classes[index] = known.get(text, LabelClass(index, text))
    return classes


def _folders(file: Path, data: dict[str, Any]) -> tuple[Path, list[Path]]:
    """The data set's folder, and those of its pictures that are there."""
    said = data.get("path")
    tries = [file.parent / said, file.parent] if isinstance(said, str) else [file.parent]
    root = next(folder for folder in tries if folder.is_dir())
    named: list[Path] = []
    for split in _SPLITS:
        value = data.get(split)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str) and one:
                named += [root / one, file.parent / one]
    folders = [real_path(folder) for folder in named if folder.is_dir()]
    beside = [root / "images"] if (root / "images").is_dir() else [root]
    return root, list(dict.fromkeys(folders)) or beside


def _label_files(root: Path, folders: Sequence[Path]) -> list[Path]:
    """Label files: in ``labels`` where pictures are in ``images``, else beside the pictures."""
    places = [root / "labels", *map(_beside, folders)]
    found = {real_path(text): text for place in places for text in place.rglob("*.txt")}
    if not found:
        texts = [text for folder in folders for text in folder.rglob("*.txt")]
        found = {real_path(one): one for one in texts if one.stem.lower() not in _NO_LABELS}
    return [found[key] for key in sorted(found)]


def _beside(folder: Path) -> Path:
    """The folder of labels of a folder of pictures, as Ultralytics looks for it."""
    parts = list(folder.parts)
    if "images" not in parts:
        return folder / "labels"
    parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return Path(*parts)


def _label_root(text: Path, root: Path) -> Path:
    above = [folder for folder in text.parents if folder.name == "labels"]
    return above[0] if above else (root if root in text.parents else text.parent)


class _Lines:
    """Reads the lines of one picture's file."""

    def __init__(self, size: tuple[int, int], names: Sequence[str], data: dict[str, Any]) -> None:
        self.size, self.names, self.pose = size, names, "kpt_shape" in data

    def read(self, text: Path, problems: Problems) -> list[Label]:
        labels = []
        for number, line in enumerate(read_text(text).splitlines(), start=1):
            if line.strip():
                with problems.noted(f"{text}: line {number}"):
                    labels.append(self._label(line.split()))
        return labels

    def _label(self, words: list[str]) -> Label:
        index = as_whole(words[0], "its class")
        if not 0 <= index < len(self.names):
            raise InputError(f"there is no class {index}; data.yaml has {len(self.names)}")
        values = [as_number(word, "a number of it") for word in words[1:]]
        if any(not -0.5 <= value <= 1.5 for value in values[:4] if not self.pose):
            raise InputError("its numbers are not shares of the picture, 0 to 1")
        height, width = self.size
        if len(values) == 4 or (self.pose and len(values) > 4):
            x, y, w, h = np.array(values[:4]) * (width, height, width, height)
            box = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
            return Label.of_box(self.names[index], box, self.size)
        if len(values) < 6 or len(values) % 2:
            raise InputError(
                f"it has {len(values)} numbers behind the class, but a box has 4, an outline 6 or "
                f"more in pairs"
            )
        ring = np.array(values).reshape(-1, 2) * (width, height)
        return Label.of_polygons(self.names[index], [ring], self.size)


def write_yolo(labels: LabelSet, target: Target) -> Written:
    """Write ``data.yaml``, ``labels/``, and the pictures to ``images/``.

    An object in several pieces, or with holes, becomes one outline with ways of no width.

    Raises:
        InputError: a file cannot be written.
    """
    names = [one.name for one in labels.classes]
    notes = Notes(labels.classes)
    files: list[Path] = []
    losses: list[str] = []
    for picture in labels.pictures:
        text = target.folder / "labels" / f"{target.stem_of(picture)}.txt"
        image = target.picture_of(picture)
        lines = []
        outlined = any(label.kind == "mask" for label in picture.labels)
        for label in picture.labels:
            if label.kind == "points" or (label.kind == "box" and outlined):
                why = "points" if label.kind == "points" else "boxes beside outlines"
                losses.append(f"{picture.name}: YOLO has no {why}; a {label.name!r} is left out")
                continue
            shape = _values(label, target.error)
            lines.append(" ".join([str(names.index(label.name)), *(f"{v:.6f}" for v in shape)]))
            notes.note(image.as_posix(), _as_read(label, shape))
        write_text(text, "".join(line + "\n" for line in lines))
        files.append(text)
        target.place(picture, f"images/{image}")
    (target.folder / "images").mkdir(parents=True, exist_ok=True)
    data = {"train": "images", "val": "images", "names": dict(enumerate(names))}
    text = _pyyaml().safe_dump(data, sort_keys=False, allow_unicode=True)
    write_text(target.folder / FILE, text)
    return Written((*files, target.folder / FILE, notes.write(target.folder)), tuple(losses))


def _values(label: Label, error: float) -> np.ndarray:
    """The numbers of a line behind its class."""
    height, width = label.size
    if label.box is not None:
        x0, y0, x1, y1 = label.box
        middle = ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0)
        return np.array(middle) / (width, height, width, height)
    rings = label.polygons or outlines.rings_of(label.mask, error)
    if len(label.polygons) > 1:  # whose union is meant, which one ring says by parity
        rings = outlines.rings_of(label.mask, 0)
    return (outlines.joined(rings) / (width, height)).ravel()


def _as_read(label: Label, values: np.ndarray) -> Label:
    """The label as its line will be read."""
    if label.kind != "mask" or label.origin.by == "person":
        return label
    ring = np.round(values, 6).reshape(-1, 2) * (label.size[1], label.size[0])
    return Label.of_polygons(label.name, [ring], label.size, origin=label.origin)
