"""The label formats by name, and which one a file or a folder is in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persam.errors import InputError
from persam.io.labels import coco, cvat, label_studio, labelme, supervisely, voc, yolo
from persam.io.labels.coco_writer import write_coco
from persam.io.labels.cvat_writer import write_cvat
from persam.io.labels.fields import read_json
from persam.io.labels.label_set import LabelSet
from persam.io.labels.label_studio_writer import write_label_studio
from persam.io.labels.pictures import PictureFolder
from persam.io.labels.voc_writer import write_voc
from persam.io.labels.writing import ERROR, Pictures, Target, Written

if TYPE_CHECKING:
    from collections.abc import Sequence

_SOME = 20  # files of a folder that are looked into

Reader = Callable[[Path, PictureFolder], LabelSet]
Writer = Callable[[LabelSet, Target], Written]


@dataclass(frozen=True)
class LabelFormat:
    """One format: how it is read and written.

    Attributes:
        title: as people write it.
        read: a file or folder, with the folders of its pictures.
        write: into a folder that the tool opens as it is.
    """

    title: str
    read: Reader
    write: Writer


FORMATS = {
    "coco": LabelFormat("COCO", coco.read_coco, write_coco),
    "yolo": LabelFormat("YOLO", yolo.read_yolo, yolo.write_yolo),
    "labelme": LabelFormat("LabelMe", labelme.read_labelme, labelme.write_labelme),
    "cvat": LabelFormat("CVAT", cvat.read_cvat, write_cvat),
    "label-studio": LabelFormat("Label Studio", label_studio.read_label_studio, write_label_studio),
    "voc": LabelFormat("Pascal VOC", voc.read_voc, write_voc),
    "supervisely": LabelFormat(
        "Supervisely", supervisely.read_supervisely, supervisely.write_supervisely
    ),
}


def read_label_set(
    path: str | Path, images: Sequence[str | Path] = (), *, name: str | None = None
) -> LabelSet:
    """Read labels of any format.

    Args:
        path: a label file, or the folder that a tool exported.
        images: folders in which the pictures are, besides where the format itself has them.
        name: of the format, one of :data:`FORMATS`; None finds out.

    Raises:
        InputError: no such file, of no known format, or damaged as a whole. What is damaged in
            part is a line in the answer's ``problems``, and the rest is read.

    Example:
        >>> import tempfile
        >>> from persam.io.labels import Label, LabelClass, LabelledPicture
        >>> dog = Label.of_box("dog", (1, 1, 3, 3), (4, 6))
        >>> labels = LabelSet((LabelClass(1, "dog"),), (LabelledPicture("a.jpg", (4, 6), (dog,)),))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     written = write_label_set(labels, folder, "coco")
        ...     again = read_label_set(written.files[0])
        >>> [one.bounds for picture in again.pictures for one in picture.labels]
        [(1.0, 1.0, 3.0, 3.0)]
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist. Give a label file or a folder of them.")
    folders = [Path(folder) for folder in images]
    found, file = (name, path) if name is not None else recognise(path)
    if found not in FORMATS:
        raise InputError(f"There is no label format {found!r}; there are {', '.join(FORMATS)}.")
    every = PictureFolder(folders or _beside(path, found))
    return FORMATS[found].read(file, every)


def _beside(path: Path, name: str) -> list[Path]:
    """Where the pictures are if nobody says so."""
    folder = path if path.is_dir() else path.parent
    if name == "voc":  # whose maps are pictures, too
        return [folder / voc.PICTURES] if (folder / voc.PICTURES).is_dir() else []
    return [folder]


def write_label_set(
    labels: LabelSet,
    folder: str | Path,
    name: str,
    *,
    error: float = ERROR,
    pictures: Pictures = "copy",
) -> Written:
    """Write labels in a format, into a folder that its tool opens.

    Args:
        labels: what to write.
        folder: made where it is missing.
        name: of the format, one of :data:`FORMATS`.
        error: how far in pixels polygons may leave the outline of a mask, where the format has
            polygons; 0 follows it exactly.
        pictures: put them beside the labels as copies or as links, or leave them where they are.

    Raises:
        InputError: no such format, or a file cannot be written.

    Example:
        >>> import tempfile
        >>> from persam.io.labels import Label, LabelClass, LabelledPicture
        >>> dog = Label.of_box("dog", (1, 1, 3, 3), (4, 6))
        >>> labels = LabelSet((LabelClass(1, "dog"),), (LabelledPicture("a.jpg", (4, 6), (dog,)),))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.name for path in write_label_set(labels, folder, "coco").files]
        ['instances_default.json']
    """
    if name not in FORMATS:
        raise InputError(f"There is no label format {name!r}; there are {', '.join(FORMATS)}.")
    return FORMATS[name].write(labels, Target(Path(folder), error, pictures))


def recognise(path: Path) -> tuple[str, Path]:
    """The format of a file or folder, and the file to begin with.

    Raises:
        InputError: none is recognised; says what is looked for.

    Example:
        >>> recognise(Path("dataset/data.yaml"))[0]
        'yolo'
    """
    found = _of_folder(path) if path.is_dir() else _of_file(path)
    if found is None:
        raise InputError(
            f"{path} is in no known label format. There are COCO (*.json), YOLO (data.yaml), "
            f"LabelMe (*.json), CVAT (annotations.xml), Label Studio (*.json), Pascal VOC or DAVIS "
            f"(SegmentationClass/*.png) and Supervisely (meta.json). Unpack archives first."
        )
    return found


def _of_file(path: Path) -> tuple[str, Path] | None:
    suffix = path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        return "yolo", path
    if suffix == ".xml":
        return "cvat", path
    kind = _of_json(read_json(path)) if suffix == ".json" else None
    return None if kind is None else (kind, path)


def _of_json(data: Any) -> str | None:
    if isinstance(data, list):
        tasks = all(isinstance(one, dict) and "data" in one for one in data)
        return "label-studio" if tasks else None
    if not isinstance(data, dict):
        return None
    if "images" in data and ("annotations" in data or "categories" in data):
        return "coco"
    if "shapes" in data:
        return "labelme"
    return "supervisely" if "classes" in data and "tags" in data else None


def _of_folder(folder: Path) -> tuple[str, Path] | None:
    """What lies in a folder; its own files first, then those of usual sub-folders."""
    if (folder / cvat.FILE).is_file():
        return "cvat", folder / cvat.FILE
    if (folder / supervisely.FILE).is_file() and any(folder.glob("**/ann/*.json")):
        return "supervisely", folder
    if (folder / voc.CLASSES).is_dir():
        return "voc", folder
    if any(folder.glob("*.y*ml")):
        return "yolo", folder
    inside = _of_our_run(folder) or _of_json_files(folder)
    if inside is not None:
        return inside
    maps = (folder / "labelmap.txt").is_file() or voc.has_label_maps(folder)
    return ("voc", folder) if maps else None


def _of_our_run(folder: Path) -> tuple[str, Path] | None:
    """What `persam segment --save` wrote: a folder a format, below the run's own."""
    for place in (folder, folder / "labels"):
        written = [place / name for name in FORMATS if (place / name).is_dir()]
        if len(written) > 1:
            names = ", ".join(one.name for one in written)
            raise InputError(f"{place} has labels in {names}. Name one of these folders.")
        if written:
            return _of_folder(written[0])
    return None


def _of_json_files(folder: Path) -> tuple[str, Path] | None:
    kinds: dict[Path, str] = {}
    near = sorted([*folder.glob("*.json"), *folder.glob("annotations/*.json")])
    for file in near or islice(folder.rglob("*.json"), _SOME):
        try:
            kind = _of_json(read_json(file))
        except InputError:
            continue  # of a folder of LabelMe files one may be damaged; its reader says so
        if kind == "labelme":
            return "labelme", folder
        if kind is not None:
            kinds[file] = kind
    if len(kinds) > 1:
        names = " and ".join(str(file) for file in kinds)
        raise InputError(f"{folder} has several label files: {names}. Name one of them.")
    return next(((kind, file) for file, kind in kinds.items()), None)
