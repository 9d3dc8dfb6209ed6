"""Labels of the sample pictures, a set of concepts learnt from them, and what is to be found."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from persam import samples
from persam.io.concept_set import write_concept_set
from persam.io.images import read_image
from persam.io.labels import Label, LabelClass, LabelledPicture, LabelSet
from persam.io.masks import read_mask
from persam.methods.from_labels import labelled_objects, learn_labels
from persam.methods.persam import personalize

CLASSES = (LabelClass(5, "plush dog", "#3366cc"),)


def truth(number: int) -> np.ndarray:
    photo, mask = samples.files(samples.PICTURES, number)
    return read_mask(mask, read_image(photo).shape[:2]) > 127


def photo_in(folder: Path, number: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    photo, _ = samples.files(samples.PICTURES, number)
    return Path(shutil.copy(photo, folder / f"photo{number}.jpg"))


def labelled(folder: Path, numbers: tuple[int, ...] = (0, 1)) -> LabelSet:
    pictures = []
    for number in numbers:
        path, mask = photo_in(folder, number), truth(number)
        label = Label.of_mask("plush dog", mask)
        pictures.append(LabelledPicture(path.name, mask.shape, (label,), path, number))
    return LabelSet(CLASSES, tuple(pictures))


def concept_set(folder: Path, backbone: object, numbers: tuple[int, ...] = (0, 1)) -> Path:
    labels = labelled(folder / "photos", numbers)
    learnt = learn_labels(labels, labelled_objects(labels), lambda r: personalize(backbone, r))
    write_concept_set(folder / "set.safetensors", learnt)
    return folder / "set.safetensors"


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())
