"""Several concepts in one file, with their classes and the labelled pictures that taught them.

A safetensors file whose arrays are the bytes of concept files, one a class, and whose header holds
the classes and labels. What a concept file contains is its own matter.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from persam.errors import InputError
from persam.io.concept_file import refuse_other_file
from persam.io.digest import check_digest, with_digest
from persam.io.labels.json_fields import set_fields, set_from
from persam.io.special_files import read_bytes, refuse_special
from persam.io.writers import write_bytes, write_single

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from persam.io.labels import LabelledPicture, LabelSet

FORMAT = "1"
_MARK, _LABELS, _FILES = "persam_concept_set", "labels", "pictures"


@dataclass(frozen=True)
class PictureContent:
    """A picture by its content, wherever it lies.

    Attributes:
        size: of the file, in bytes.
        sha256: of the file.
    """

    size: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> PictureContent:
        """Read a picture file.

        Raises:
            InputError: it cannot be read.
        """
        return cls._of(read_bytes(path))

    @classmethod
    def _of(cls, content: bytes) -> PictureContent:
        return cls(len(content), hashlib.sha256(content).hexdigest())

    @classmethod
    def of_picture(cls, picture: LabelledPicture) -> PictureContent:
        """Read a picture that is at hand, as a file or within its label file.

        Raises:
            InputError: it cannot be read.
        """
        if picture.path is None and picture.data is not None:
            return cls._of(picture.data)
        if picture.path is None:
            raise InputError(f"{picture.name} is not at hand; name its folder by --images.")
        return cls.of(picture.path)


@dataclass(frozen=True, eq=False)
class ConceptSet:
    """What a file of several concepts says.

    Attributes:
        concepts: contents of a concept file each, by the name of the object.
        labels: the classes, and the pictures that taught them.
        contents: of those pictures, in their order.
    """

    concepts: Mapping[str, bytes]
    labels: LabelSet
    contents: tuple[PictureContent, ...]

    def known(self, photo: Path) -> LabelledPicture | None:
        """The labels of a photo that taught the concepts, whatever it is called now."""
        sizes = {one.size for one in self.contents}
        try:
            if photo.stat().st_size not in sizes:
                return None
        except OSError:  # reading the photo says why
            return None
        found = PictureContent.of(photo)
        pairs = zip(self.contents, self.labels.pictures, strict=True)
        return next((picture for content, picture in pairs if content == found), None)

    @contextmanager
    def files(self) -> Iterator[dict[str, Path]]:
        """Give the concepts as files by name, which are gone afterwards."""
        with TemporaryDirectory(prefix="persam-") as folder:
            named = {}
            for number, (name, data) in enumerate(self.concepts.items()):
                named[name] = Path(folder) / f"{number}.safetensors"
                write_bytes(named[name], data)
            yield named


def write_concept_set(path: str | Path, concepts: ConceptSet) -> None:
    """Write several concepts, whole or not at all.

    Raises:
        InputError: the file cannot be written, or would replace one that holds no concepts.
    """
    if not is_concept_set(path):
        refuse_other_file(path)
    arrays = {
        str(number): np.frombuffer(data, dtype=np.uint8)
        for number, data in enumerate(concepts.concepts.values())
    }
    header = {
        _MARK: FORMAT,
        "names": json.dumps(list(concepts.concepts)),
        _LABELS: json.dumps(set_fields(concepts.labels), allow_nan=False),
        _FILES: json.dumps([[one.size, one.sha256] for one in concepts.contents]),
    }
    write_single(path, with_digest(save(arrays, header)))


def is_concept_set(path: str | Path) -> bool:
    """Whether a file holds several concepts; anything else, also a missing file, does not.

    Raises:
        InputError: a named pipe, socket or device.
    """
    refuse_special(path)
    try:
        with safe_open(path, framework="numpy") as file:
            return _MARK in (file.metadata() or {})
    except (OSError, SafetensorError):
        return False


def read_concept_set(path: str | Path) -> ConceptSet:
    """Read what :func:`write_concept_set` wrote.

    Raises:
        InputError: no such file, something else, or damaged.
    """
    try:
        check_digest(Path(path))
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except SafetensorError as error:
        raise InputError(f"{path} is not a concept file, or damaged: {error}.") from error
    if header.get(_MARK) != FORMAT:
        raise InputError(
            f"{path} holds no set of concepts that this persam reads (format {FORMAT}). Learn it "
            f"again by `persam learn LABELS --images DIR`."
        )
    try:
        names = [str(name) for name in json.loads(header["names"])]
        contents = tuple(PictureContent(*one) for one in json.loads(header[_FILES]))
        labels = set_from(json.loads(header[_LABELS]))
        concepts = {name: arrays[str(n)].tobytes() for n, name in enumerate(names)}
        if len(contents) != len(labels.pictures) or not concepts:
            raise ValueError("its parts do not fit together")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is a damaged set of concepts: {error}; learn it anew.") from error
    return ConceptSet(concepts, labels, contents)


@contextmanager
def separate_files(named: Mapping[str, Path]) -> Iterator[dict[str, Path]]:
    """Give a file of each concept by name: files of lone concepts, and those out of sets.

    Args:
        named: by the object's name; a set gives the names of its own objects.

    Raises:
        InputError: a damaged set, or two objects of one name.
    """
    with ExitStack() as stack:
        found: dict[str, Path] = {}
        for name, path in named.items():
            one = is_concept_set(path)
            more = stack.enter_context(read_concept_set(path).files()) if one else {name: path}
            twice = sorted(found.keys() & more.keys())
            if twice:
                raise InputError(f"Two objects are called {twice[0]!r}; {path} has one of them.")
            found |= more
        yield found
