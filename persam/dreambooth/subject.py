"""A subject's folder: pictures, loss weights and captions, and ``subject.json`` that lists them.

::

    subject/
    ├── subject.json         what is in here, and how it was made
    ├── concept.safetensors  what was learnt of the subject, for finding it in samples
    ├── sheet.html           the contact sheet
    ├── found/               the masks as they were found; may be mended by hand
    ├── images/              <name>.png, upright, and the caption <name>.txt
    ├── masks/               <name>.png, loss weights: 255 is trained on, 0 is not
    ├── kohya/, onetrainer/  the same for other trainers
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from persam.errors import InputError
from persam.io.images import read_image
from persam.io.masks import read_mask
from persam.io.records import is_file_name, read_json
from persam.io.special_files import refuse_special
from persam.io.writers import write_text

if TYPE_CHECKING:
    import numpy as np

NAME = "subject.json"
_VERSION = 1


@dataclass(frozen=True)
class Choices:
    """How training folders are made of photos.

    Attributes:
        class_name: what kind of thing the subject is, as ``dog``.
        token: the rare word that comes to mean this one.
        caption: of every photo, with ``{token}`` and ``{class}`` in it.
        resolution: short side that pictures are scaled down to, in pixels.
        dilate: how far masks grow, in latent cells (8 pixels at the resolution).
        feather: over how many latent cells beyond that the weights fall to 0.
        backgrounds: colours, pictures and folders of pictures, put behind the subject of one
            photo after the other in turn; none to keep the photos as they are.
        keep_unmasked: train on all of a photo in which the subject was not found.
        repeats: how often kohya's scripts show each picture in an epoch.
    """

    class_name: str = "object"
    token: str = "sks"  # noqa: S105  (a word in a caption)
    caption: str = "a photo of {token} {class}"
    resolution: int = 512
    dilate: float = 0.0
    feather: float = 0.0
    backgrounds: tuple[str, ...] = ()
    keep_unmasked: bool = False
    repeats: int = 10

    def __post_init__(self) -> None:
        if self.resolution < 64 or self.resolution % 8:
            raise InputError(
                f"The resolution is a multiple of 8 of at least 64 pixels; got {self.resolution}."
            )
        if self.repeats < 1:
            raise InputError(f"A picture is shown at least once an epoch; got {self.repeats}.")
        words = (self.token, self.class_name)
        if not all(words) or any(set(word) & set('/\\:*?"<>|\n') for word in words):
            raise InputError(
                f"Token and class are words, which also name folders; got {self.token!r} and "
                f"{self.class_name!r}."
            )
        if "{class}" not in self.caption or "{token}" not in self.caption:
            raise InputError(
                f"A caption needs {{token}} and {{class}} in it, as 'a photo of {{token}} "
                f"{{class}}'; got {self.caption!r}."
            )

    def instance_prompt(self) -> str:
        """The caption of the subject's photos.

        Example:
            >>> Choices("dog").instance_prompt()
            'a photo of sks dog'
        """
        return self.caption.replace("{token}", self.token).replace("{class}", self.class_name)

    def class_prompt(self) -> str:
        """The same without the token: what the subject's likes are.

        Example:
            >>> Choices("dog").class_prompt()
            'a photo of dog'
        """
        return without_token(self.instance_prompt(), self.token)


@dataclass(frozen=True)
class SubjectPhoto:
    """One picture that is trained on.

    Attributes:
        name: stem of its files.
        source: absolute path of the user's photo.
        masked: whether the subject was found, so that the mask says where it is.
        share: part of its latent cells that the loss is taken on, 0..1, as the check says it.
        score: the model's estimate of the mask's IoU; None for a mask that was given.
    """

    name: str
    source: str
    masked: bool
    share: float
    score: float | None = None


@dataclass(frozen=True)
class SubjectFolder:
    """A folder that ``persam dreambooth prepare`` made.

    Attributes:
        folder: where it is.
        choices: how it was made.
        photos: what is trained on.
    """

    folder: Path
    choices: Choices
    photos: tuple[SubjectPhoto, ...]

    @property
    def hard(self) -> bool:
        """Whether masks have edges; feathered ones fade."""
        return self.choices.feather == 0

    def image(self, photo: SubjectPhoto) -> Path:
        """The picture of a photo."""
        return self.folder / "images" / f"{photo.name}.png"

    def mask(self, photo: SubjectPhoto) -> Path:
        """The loss weights of a photo."""
        return self.folder / "masks" / f"{photo.name}.png"

    def caption(self, photo: SubjectPhoto) -> Path:
        """The caption file of a photo."""
        return self.image(photo).with_suffix(".txt")

    def files(self, photo: SubjectPhoto) -> tuple[Path, Path, Path]:
        """The picture, loss weights and caption of a photo."""
        return self.image(photo), self.mask(photo), self.caption(photo)

    def read(self, photo: SubjectPhoto) -> tuple[np.ndarray, np.ndarray]:
        """The picture of a photo, ``(H, W, 3)`` uint8 RGB, and its loss weights, ``(H, W)`` uint8.

        Raises:
            InputError: a file cannot be read, or the sizes differ.
        """
        image = read_image(self.image(photo))
        return image, read_mask(self.mask(photo), image.shape[:2], usable=False)

    @property
    def concept(self) -> Path:
        """What was learnt of the subject."""
        return self.folder / "concept.safetensors"


def write_subject(subject: SubjectFolder) -> None:
    """Write ``subject.json``, whole or not at all."""
    fields = {
        "version": _VERSION,
        "choices": asdict(subject.choices),
        "photos": [asdict(photo) for photo in subject.photos],
    }
    write_text(subject.folder / NAME, json.dumps(fields, indent=2) + "\n")


def read_subject(folder: str | Path) -> SubjectFolder:
    """Read what :func:`write_subject` wrote, and see that its files are there.

    Raises:
        InputError: not such a folder, of a later version, or incomplete.
    """
    subject = peek_subject(folder)
    if subject is None:
        raise InputError(
            f"{folder} holds no {NAME}. Make a subject's folder with `persam dreambooth prepare`."
        )
    files = [path for photo in subject.photos for path in subject.files(photo)]
    missing = [str(path.relative_to(subject.folder)) for path in files if not path.is_file()]
    if missing:
        raise InputError(
            f"{folder} lacks {', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}. Run "
            f"`persam dreambooth prepare` again."
        )
    return subject


def peek_subject(folder: str | Path) -> SubjectFolder | None:
    """Read ``subject.json`` alone; None where there is none.

    Raises:
        InputError: it is damaged or of a later version.
    """
    path = Path(folder) / NAME
    what = (
        "is not what this version of persam writes. Run `persam dreambooth prepare` again, into a "
        "new folder."
    )
    fields = read_json(path, _SubjectFile, what)
    if fields is None:
        return None
    strange = [photo.name for photo in fields.photos if not is_file_name(photo.name)]
    if fields.version != _VERSION or strange:
        raise InputError(f"{path} {what} (version {fields.version})")
    return SubjectFolder(Path(folder), fields.choices, fields.photos)


@dataclass(frozen=True)
class _SubjectFile:
    """What stands in ``subject.json``."""

    version: int
    choices: Choices
    photos: tuple[SubjectPhoto, ...]


def read_caption(path: Path) -> str:
    """What a caption's file says, whoever wrote it, without blanks round it.

    Raises:
        OSError: it cannot be read.
    """
    refuse_special(path)
    return path.read_text(encoding="utf-8-sig", errors="replace").strip()


def without_token(prompt: str, token: str) -> str:
    """Take the rare word out of a prompt.

    Example:
        >>> without_token("a sks dog on a beach", "sks")
        'a dog on a beach'
    """
    return " ".join(word for word in prompt.split() if word.strip(",.;:") != token)
