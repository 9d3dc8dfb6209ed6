"""What an evaluation runs over: subjects of photos with true masks, read when they are needed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np

    from persam.io.images import Source


class AnyPhoto(Protocol):
    """One picture and its true mask, wherever a data set keeps them.

    Example:
        >>> from pathlib import Path
        >>> from persam.evaluation.datasets import Photo
        >>> photo: AnyPhoto = Photo("00", Path("00.jpg"), Path("00.png"))
        >>> photo.describe()
        '00.jpg'
    """

    @property
    def stem(self) -> str:
        """Unique within a subject; names the file of a prediction."""
        ...

    @property
    def image(self) -> Source:
        """What a method takes as image: a path, or an array where a part was cut out."""
        ...

    @property
    def mask(self) -> Source:
        """What a method takes as mask."""
        ...

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that must be there."""
        ...

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """The picture ``(H, W, 3)`` uint8 RGB and its true mask ``(H, W)`` bool.

        Raises:
            InputError: a file cannot be read, or picture and mask do not fit.
        """
        ...

    def truth(self, size: tuple[int, int] | None = None) -> np.ndarray:
        """The true mask, ``(H, W)`` bool.

        Args:
            size: ``(H, W)`` of the picture that :meth:`read` gives; None looks it up.

        Raises:
            InputError: the mask cannot be read, or has another size.
        """
        ...

    def annotation(self) -> tuple[np.ndarray, np.ndarray | None]:
        """The true mask and the pixels that the annotators left open, ``(H, W)`` bool each.

        There is None in the place of pixels where none can be left open.

        Raises:
            InputError: the mask cannot be read, or has another size than the picture.
        """
        ...

    def describe(self) -> str:
        """What to call it in an error."""
        ...

    def complaint(self) -> str | None:
        """What the files' headers show to be wrong; None where nothing is.

        Raises:
            InputError: a file cannot be read.
        """
        ...


PhotoT_co = TypeVar("PhotoT_co", bound=AnyPhoto, covariant=True)


@dataclass(frozen=True)
class Subject(Generic[PhotoT_co]):
    """One object or episode: the photo it is learnt from and those it is studied for in.

    Attributes:
        name: unique within the data set, and a safe folder name. PerSeg: the object; others: the
            episode, ``"0007_abacus"``, with its fold in front where there are several.
        reference: the photo that is shown.
        targets: the photos that are searched; at least one.
        group: what pixels are pooled over. PerSeg: the object; others: the class.
        fold: folds are averaged; empty where there is one.

    Example:
        >>> from persam import samples
        >>> from persam.evaluation.datasets import perseg
        >>> (dog,) = perseg(samples.PICTURES).subjects
        >>> (dog.name, dog.reference.stem, len(dog.targets))
        ('plush_dog', '00', 6)
    """

    name: str
    reference: PhotoT_co
    targets: tuple[PhotoT_co, ...]
    group: str = ""
    fold: str = ""

    def __post_init__(self) -> None:
        if not self.group:
            object.__setattr__(self, "group", self.name)

    @property
    def photos(self) -> tuple[PhotoT_co, ...]:
        """All photos, the reference first."""
        return (self.reference, *self.targets)

    @property
    def kind(self) -> str:
        """What the object is one of: ``dog`` for ``dog_2``, the group itself without a number.

        Example:
            >>> from pathlib import Path
            >>> from persam.evaluation.datasets import Photo
            >>> photo = Photo("00", Path("00.jpg"), Path("00.png"))
            >>> [Subject(name, photo, ()).kind for name in ("dog_2", "toy_dog_11", "toy_dog")]
            ['dog', 'toy_dog', 'toy_dog']
        """
        kind, _, number = self.group.rpartition("_")
        return kind if kind and number.isdecimal() else self.group


@dataclass(frozen=True)
class Dataset(Generic[PhotoT_co]):
    """What an evaluation runs over.

    Attributes:
        name: as in the catalogue, ``"perseg"``.
        root: the folder.
        subjects: in the order of the protocol.
        reference_index: which photo of every object is the reference; None where episodes are
            drawn.
        settings: how the subjects were chosen, for the report: folds, shots, episodes, seed.
        size: side S where methods see pictures scaled to S x S; None: as they are.
        original_size: compare masks at the pictures' own size all the same: what was found at
            S x S is brought there. Else they are compared where they are found.

    Example:
        >>> from persam import samples
        >>> from persam.evaluation.datasets import perseg
        >>> data = perseg(samples.PICTURES)
        >>> (data.name, data.photos, [subject.name for subject in data.subjects])
        ('perseg', 6, ['plush_dog'])
    """

    name: str
    root: Path
    subjects: tuple[Subject[PhotoT_co], ...]
    reference_index: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    size: int | None = None
    original_size: bool = False

    @property
    def scored_size(self) -> int | None:
        """Side of the square at which masks are kept and compared; None: the pictures' own."""
        return None if self.original_size else self.size

    @property
    def photos(self) -> int:
        """Number of target photos of all subjects together."""
        return sum(len(subject.targets) for subject in self.subjects)
