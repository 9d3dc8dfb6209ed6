"""Small data sets in the exact layouts of the official ones, drawn for a test."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HEIGHT, WIDTH = 12, 10
LVIS_CLASSES = tuple(range(31, 10, -1))  # 21 of them, not in the order of their numbers
PACO_CLASSES = (40, 10, 30, 20, 60, 50, 80, 70)
THINGS = {"animals": "dog", "indoor": "bottle", "person": "person", "vehicles": "aeroplane"}


def picture(path: Path, size: tuple[int, int] = (HEIGHT, WIDTH)) -> None:
    """A picture whose pixels tell where they lie: red is 10 times the row, green the column."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    pixels = np.stack([10 * rows, 10 * columns, 0 * rows], axis=2).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **({"quality": 100} if path.suffix == ".jpg" else {}))


def grey(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(path)


def store(path: Path, held: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(held))


def runs(mask: np.ndarray) -> dict[str, Any]:
    """Uncompressed COCO run lengths of ``(H, W)`` bool."""
    flat = mask.T.reshape(-1).astype(int)
    ends = np.flatnonzero(np.diff(np.concatenate([[0], flat, [1 - flat[-1]]]))).tolist()
    return {"size": list(mask.shape), "counts": np.diff([0, *ends]).tolist()}


def square(row: int, column: int, side: int = 3) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[row : row + side, column : column + side] = True
    return mask


def perseg(root: Path, objects: Sequence[str] = ("cat", "mug"), count: int = 3) -> Path:
    """PerSeg: the object is a square in row and column of the photo's number."""
    folder = root / "PerSeg"
    for name in objects:
        for number in range(count):
            picture(folder / "Images" / name / f"{number:02d}.jpg")
            file = folder / "Annotations" / name / f"{number:02d}.png"
            grey(file, square(number % 8, number % 7))
    return folder


def choose(names: Any) -> Any:
    """One of a list as the official loaders draw it: by name, from NumPy's one global stream."""
    return np.random.choice(np.array(names, dtype=object), 1, replace=False)[0]


def stems(dataset: Any) -> list[tuple[str, str]]:
    """Reference and target of every episode."""
    return [(subject.reference.stem, subject.targets[0].stem) for subject in dataset.subjects]


def fss(
    root: Path, classes: Sequence[str] = ("abe's_flyingfish", "abacus"), count: int = 10
) -> Path:
    """FSS-1000: the object is a square in row and column of the picture's number."""
    folder = root / "FSS-1000"
    for name in classes:
        for number in range(1, count + 1):
            picture(folder / "data" / name / f"{number}.jpg")
            values = np.where(square(number % 8, number % 7), 200, 100)  # 100 is no object
            grey(folder / "data" / name / f"{number}.png", values)
    (folder / "splits").mkdir(parents=True)
    (folder / "splits" / "test.txt").write_text("".join(f"{name}\n" for name in classes))
    return folder


def coco_names(number: int) -> list[str]:
    """Pictures that the split lists for a class: all three, in an order of its own."""
    names = [f"val2014/COCO_val2014_{one:012d}.jpg" for one in (9, 25, 42)]
    return names[number % 3 :] + names[: number % 3]


def coco(root: Path) -> Path:
    """COCO-20i: every picture shows all 80 classes, class c in column c."""
    folder = root / "COCO2014"
    labels = np.tile(np.arange(1, 81), (HEIGHT, 1))
    labels[0] = 0
    for name in coco_names(0):
        picture(folder / name, (HEIGHT, 80))
        grey(folder / "annotations" / name.replace(".jpg", ".png"), labels)
    for fold in range(4):
        listed = {number: coco_names(number) for number in range(80)}
        store(folder / "splits" / "val" / f"fold{fold}.pkl", listed)
    return folder


def lvis_pictures(number: int) -> list[str]:
    """Three pictures a class, out of both halves of COCO; one class has a single picture."""
    names = [f"{part}2017/{number:05d}{one:07d}.jpg" for part, one in
             (("val", 3), ("train", 1), ("val", 2))]  # fmt: skip
    return names[:1] if number == LVIS_CLASSES[4] else names


def lvis(root: Path) -> Path:
    """LVIS-92i: two instances in every picture, a polygon and run lengths."""
    folder = root / "LVIS"
    held = {}
    for number in LVIS_CLASSES:
        held[number] = {}
        for name in lvis_pictures(number):
            picture(folder / "coco" / name)
            instances = [[[1, 1, 4, 1, 4, 4, 1, 4]], runs(square(7, 5))]
            facts = [{"segmentation": one, "bbox": [0, 0, 1, 1]} for one in instances]
            held[number][name] = {"file_name": name, "annotations": facts}
    store(folder / "lvis_val.pkl", held)
    return folder


def lvis_json(folder: Path) -> None:
    """Put the same annotations as the original JSON beside, and take the pickle away."""
    held = pickle.loads((folder / "lvis_val.pkl").read_bytes())  # noqa: S301  (drawn above)
    names = sorted({name for pictures in held.values() for name in pictures})
    url = "http://images.cocodataset.org/"
    images = [{"id": number, "coco_url": url + name} for number, name in enumerate(names)]
    annotations = [
        {"image_id": names.index(name), "category_id": number, **one}
        for number, pictures in held.items()
        for name, facts in pictures.items()
        for one in facts["annotations"]
    ]
    categories = [{"id": number, "name": f"class {number}"} for number in held]
    parts = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "lvis_v1_val.json").write_text(json.dumps(parts))
    (folder / "lvis_val.pkl").unlink()


def paco_picture(number: int, place: int) -> tuple[int, str]:
    picture_id = 100 * number + place
    return picture_id, f"val2017/{picture_id:012d}.jpg"


def paco(root: Path) -> Path:
    """PACO-Part: two objects a picture; the second has the part twice. Class 60 has one picture."""
    folder = root / "PACO-Part"
    cid2img: dict[int, list[dict[int, str]]] = {}
    img2anno: dict[int, list[dict[str, Any]]] = {}
    for number in sorted(PACO_CLASSES):
        cid2img[number] = []
        for place in range(1 if number == 60 else 3):
            picture_id, name = paco_picture(number, place)
            picture(folder / "coco" / name)
            # As in the official file: whole paths, and a picture once for every one of its parts.
            cid2img[number] += 2 * [{picture_id: f"/data/coco/{name}"}]
            img2anno[picture_id] = [
                _paco_part(number, 1, [0.6, 0.7, 5, 5], square(1, 1)),
                _paco_part(number + 1, 1, [0.6, 0.7, 5, 5], square(0, 0)),
                _paco_part(number, 2, [4.5, 5.2, 5.9, 6.3], square(6, 5, side=2)),
                _paco_part(number, 2, [4.5, 5.2, 5.9, 6.3], square(9, 7, side=2)),
            ]
    store(folder / "paco" / "paco_part_val.pkl", {"cid2img": cid2img, "img2anno": img2anno})
    train = {number: [] for number in PACO_CLASSES}
    store(folder / "paco" / "paco_part_train.pkl", {"cid2img": train, "img2anno": {}})
    return folder


def _paco_part(number: int, thing: int, box: list[float], mask: np.ndarray) -> dict[str, Any]:
    facts = {"category_id": number, "obj_ann_id": thing, "obj_bbox": box}
    return facts | {"segmentation": runs(mask)}


def pascal(root: Path) -> Path:
    """PASCAL-Part: per fold one kind of object with HEAD and TAIL, four pictures.

    Picture 0 shows the object twice, once without parts. LEGS were never in training.
    """
    folder = root / "Pascal-Part" / "VOCdevkit" / "VOC2010"
    lists = {}
    for fold, thing in THINGS.items():
        names = [f"2008_{fold[:2]}{number}" for number in range(4)]
        train_and_val = {"train": ["2008_000001"], "val": names}
        parts = {"HEAD": train_and_val, "TAIL": train_and_val, "LEGS": {"train": [], "val": names}}
        lists[fold] = {"object": {thing: {"part": parts}}}
        for number, name in enumerate(names):
            picture(folder / "JPEGImages" / f"{name}.jpg")
            whole = _pascal_object(thing, {"HEAD": square(2, 2), "TAIL": square(7, 2)})
            bare = _pascal_object(thing, {})
            other = _pascal_object("car", {"HEAD": square(0, 0)})
            held = {"object": [other, bare, whole] if number == 0 else [whole, other]}
            file = folder / "Annotations_Part_json_merged_part_classes" / f"{name}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(held))
    (folder / "all_obj_part_to_image.json").write_text(json.dumps(lists))
    return folder


def _pascal_object(name: str, parts: dict[str, np.ndarray]) -> dict[str, Any]:
    box = {"ymax": 11, "xmax": 6, "xmin": 1, "ymin": 2}  # in no order that could be relied on
    held = [{"name": part, "mask": [runs(mask)]} for part, mask in parts.items()]
    return {"name": name, "bndbox": box, "parts": held}


def listed_pictures(number: int) -> list[str]:
    """Pictures that a fold lists for a class, counted from 1: three, in an order of its own."""
    names = [f"2007_{one:06d}" for one in (33, 61, 129)]
    return names[number % 3 :] + names[: number % 3]


def fold_list(fold: int) -> list[tuple[str, int]]:
    """A fold's lines: class after class, but the first pictures of all before the second ones."""
    classes = range(5 * fold + 1, 5 * fold + 6)
    return [(listed_pictures(number)[place], number) for place in range(3) for number in classes]


def _listed(folder: Path, folds: int, file: Callable[[str], tuple[Path, Path]]) -> Path:
    """Every picture shows all classes, class c in column c; the row below the first is open."""
    labels = np.tile(np.arange(5 * folds + 1), (HEIGHT, 1))
    labels[0], labels[1] = 0, 255
    for name in listed_pictures(0):
        image, mask = file(name)
        picture(folder / image, labels.shape)
        grey(folder / mask, labels)
    (folder / "splits" / "val").mkdir(parents=True)
    for fold in range(folds):
        lines = (f"{name}__{number:02d}\n" for name, number in fold_list(fold))
        (folder / "splits" / "val" / f"fold{fold}.txt").write_text("".join(lines))
    return folder


def pascal5i(root: Path) -> Path:
    """PASCAL-5i: four folds."""
    return _listed(
        root / "VOC2012",
        4,
        lambda name: (Path(f"JPEGImages/{name}.jpg"), Path(f"SegmentationClassAug/{name}.png")),
    )


def isaid5i(root: Path) -> Path:
    """iSAID-5i: three folds."""
    return _listed(
        root / "iSAID",
        3,
        lambda name: (
            Path(f"val/images/{name}.png"),
            Path(f"val/semantic_png/{name}_instance_color_RGB.png"),
        ),
    )


LAYOUTS = {
    "fss-1000": fss,
    "lvis-92i": lvis,
    "pascal-part": pascal,
    "paco-part": paco,
    "coco-20i": coco,
    "pascal-5i": pascal5i,
    "isaid-5i": isaid5i,
}
EVERY = {"perseg": perseg, **LAYOUTS}
