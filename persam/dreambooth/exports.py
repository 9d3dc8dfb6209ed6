"""A subject's folder -> the layouts of kohya's sd-scripts and of OneTrainer.

What their documentation says, and no more, is relied on:

* kohya: a picture and a mask of the same stem, the masks in a folder of their own that the dataset
  file calls ``conditioning_data_dir`` (white is trained on, grey in part, the R channel counts), or
  masks in the pictures' transparency with ``alpha_mask``; captions ``<stem>.txt``; folders
  ``<repeats>_<token> <class>`` where there is no dataset file.
* OneTrainer: ``<stem>-masklabel.png`` and ``<stem>.txt`` beside ``<stem>.png``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from persam.dreambooth.subject import read_caption
from persam.errors import InputError
from persam.io.writers import encode_cutout

if TYPE_CHECKING:
    from pathlib import Path

    from persam.dreambooth.subject import SubjectFolder, SubjectPhoto
    from persam.io.own_files import OwnFiles

ONETRAINER_MASK = "-masklabel"


def kohya_images(subject: SubjectFolder, kind: str = "img") -> Path:
    """Folder of kohya's pictures: ``kind`` is ``"img"``, or ``"alpha"`` for transparent ones."""
    choices = subject.choices
    name = f"{choices.repeats}_{choices.token} {choices.class_name}"
    return subject.folder / "kohya" / kind / name


def export_files(subject: SubjectFolder, photo: SubjectPhoto) -> dict[str, Path]:
    """Every file that other trainers get of a photo."""
    plain, alpha = kohya_images(subject), kohya_images(subject, "alpha")
    one = subject.folder / "onetrainer"
    return {
        "kohya": plain / f"{photo.name}.png",
        "kohya_caption": plain / f"{photo.name}.txt",
        "kohya_mask": subject.folder / "kohya" / "masks" / f"{photo.name}.png",
        "alpha": alpha / f"{photo.name}.png",
        "alpha_caption": alpha / f"{photo.name}.txt",
        "onetrainer": one / f"{photo.name}.png",
        "onetrainer_caption": one / f"{photo.name}.txt",
        "onetrainer_mask": one / f"{photo.name}{ONETRAINER_MASK}.png",
    }


def write_own(files: OwnFiles, path: Path, data: bytes) -> None:
    """Write a file of a subject's folder, unless somebody has changed the one that is there.

    Raises:
        InputError: a file is there that persam did not write, or it cannot be written.
    """
    state = files.state(path)
    if state == "foreign":
        raise InputError(
            f"{path} would be replaced, which persam did not write. Move it away, or choose "
            f"another folder."
        )
    if state != "changed":
        files.write(path, data)


def export(subject: SubjectFolder, own: OwnFiles) -> None:
    """Write the folders of all other trainers.

    Args:
        subject: the folder.
        own: which of its files are the program's own.

    Raises:
        InputError: a file of the subject cannot be read, or one cannot be written.
    """
    for photo in subject.photos:
        files = export_files(subject, photo)
        picture, mask = subject.image(photo).read_bytes(), subject.mask(photo).read_bytes()
        caption = (read_caption(subject.caption(photo)) + "\n").encode()
        for name, path in files.items():
            if name.endswith("caption"):
                write_own(own, path, caption)
            elif name.endswith("mask"):
                write_own(own, path, mask)
            elif name != "alpha":
                write_own(own, path, picture)
        write_own(own, files["alpha"], encode_cutout(_transparent(subject, photo), ".png"))
    for kind, line in _MASK_LINES.items():
        text = _dataset(subject, kind, line.format(folder=_toml(subject.folder / "kohya/masks")))
        path = subject.folder / "kohya" / f"dataset-{kind}.toml"
        write_own(own, path, text.encode("utf-8", errors="replace"))


_MASK_LINES = {"img": "conditioning_data_dir = {folder}", "alpha": "alpha_mask = true"}


def _transparent(subject: SubjectFolder, photo: SubjectPhoto) -> np.ndarray:
    """The picture with its weights as alpha; colours stay, as they are what is encoded."""
    image, weights = subject.read(photo)
    return np.concatenate([image, weights[..., None]], axis=2)


def _dataset(subject: SubjectFolder, kind: str, mask_line: str) -> str:
    choices = subject.choices
    return (
        "# For --dataset_config of kohya's sd-scripts; give --masked_loss with it. The paths are\n"
        "# absolute, as relative ones would be looked up from wherever the scripts are started:\n"
        "# prepare again where the folder has been moved.\n"
        "[general]\n"
        'caption_extension = ".txt"\n\n'
        "[[datasets]]\n"
        f"resolution = {choices.resolution}\n"
        "batch_size = 1\n"
        "enable_bucket = true\n\n"
        "  [[datasets.subsets]]\n"
        f"  image_dir = {_toml(kohya_images(subject, kind))}\n"
        f"  {mask_line}\n"
        f"  num_repeats = {choices.repeats}\n"
    )


def _toml(path: Path) -> str:
    """A path as a TOML string, whatever its letters: JSON's escapes are TOML's, too."""
    text = json.dumps(path.absolute().as_posix(), ensure_ascii=False)
    return text.replace("\x7f", "\\u007f")
