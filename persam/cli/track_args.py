"""What `persam track` is to look for: the ways to say it, and the concepts that come of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from persam.cli.mark_args import MarkArgs, collect, frames_of, refuse_moved
from persam.cli.model_args import resolve_variant
from persam.cli.object_args import Examples, ReferenceArgs, learner
from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from persam.concept import Concept
    from persam.models.base import Backbone
    from persam.variants import Method
    from persam.video.clip import Clip

TrackVariant = Literal["default", "official", "memory", "distractors"]
_WAYS = "--reference, --first-mask, --object, --concept, --box, --point or --keyframe"


@dataclass(frozen=True)
class TrackArgs:
    """What is to be found in a clip.

    Attributes:
        reference: in another picture.
        first_mask: in a picture of the first frame's objects.
        objects: in a mask of the first frame each, by name.
        concepts: by what was learnt earlier, by name.
        marks: in frames of the clip itself, besides one of the ways above or instead of them.
        name: of the object, where there is one that has no name yet.
    """

    reference: ReferenceArgs | None = None
    first_mask: Path | None = None
    objects: Mapping[str, Path] = field(default_factory=dict)
    concepts: Mapping[str, Path] = field(default_factory=dict)
    marks: tuple[MarkArgs, ...] = ()
    name: str = "object"

    def __post_init__(self) -> None:
        ways = (self.reference, self.first_mask, self.objects or None, self.concepts or None)
        given = sum(way is not None for way in ways)
        if given > 1 or (given == 0 and not self.marks):
            raise InputError(
                f"Say what to look for by one of {_WAYS}; got "
                f"{'several of them' if given else 'none of them'}."
            )

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that was named, but for those of marks."""
        pictures = () if self.reference is None else (self.reference.picture, self.reference.mask)
        paths = (*pictures, self.first_mask, *self.objects.values(), *self.concepts.values())
        return tuple(path for path in paths if path is not None)

    @property
    def marked_files(self) -> tuple[Path, ...]:
        """The masks of marks."""
        return tuple(mark.mask for mark in self.marks if mark.mask is not None)

    def marked(
        self, clip: Clip, backbone: Backbone, method: Method
    ) -> tuple[dict[int, dict[str, np.ndarray]], dict[int, np.ndarray]]:
        """What is marked in the clip, and the pictures of the frames that it is marked in.

        Args:
            clip: of which the marks are.
            backbone: makes masks of boxes and points.
            method: whose recipe that goes by.

        Returns:
            Masks by frame number and object name, and frames by their numbers.

        Raises:
            InputError: something unreadable, empty, of another size, or behind the clip's end.
        """
        recipe = resolve_variant("default", method, own=backbone.recipe)
        places = frames_of(clip, self.marks)
        found = [(0, self.masks(clip))] if self.first_mask or self.objects else []
        for mark, (number, image) in places.items():
            found.append((number, mark.masks(image, backbone, recipe)))
        frames = dict(places.values())
        if (self.first_mask or self.objects) and 0 not in frames:
            first = next(iter(clip))
            refuse_moved(clip, first)
            frames[0] = first.image
        return collect(found, self.name), frames

    def masks(self, clip: Clip) -> dict[str | None, np.ndarray]:
        """Masks of the clip's first frame by object name; none where another way was taken.

        Raises:
            InputError: unreadable, empty, or of another size than the clip.
        """
        from persam.video.labels import read_objects

        size = (clip.height, clip.width)
        if self.first_mask is not None:
            found = read_objects(self.first_mask, size)
            if len(found) == 1:
                return {None: next(iter(found.values()))}
            if self.name != "object":
                raise InputError(
                    f"--name {self.name} would do nothing: {self.first_mask} shows "
                    f"{len(found)} objects, which are named by their numbers. Leave it out."
                )
            return {str(number): mask for number, mask in found.items()}
        return {name: self._only(path, size) for name, path in self.objects.items()}

    def learn(
        self,
        backbone: Backbone,
        marked: Mapping[int, Mapping[str, np.ndarray]],
        frames: Mapping[int, np.ndarray],
        method: Method,
        variant: TrackVariant,
    ) -> dict[str, Concept]:
        """Learn, or read, a concept of every object.

        Args:
            backbone: the model.
            marked: what :meth:`marked` gave first; an object that is nowhere else is learnt from
                the first frame in which it is marked.
            frames: what it gave second.
            method: ``"persam"`` or ``"persam-f"``; concept files have their own.
            variant: of the tracking; the official one learns as the official scripts do.

        Raises:
            InputError: something cannot be read, or was learnt with another model.
        """
        from persam.concept import Concept
        from persam.pipeline.reference import Reference
        from persam.video.official import learn_object

        concepts = {name: Concept.load(path, backbone) for name, path in self.concepts.items()}

        def teach(frame: np.ndarray, mask: np.ndarray) -> Concept:
            if variant == "official":
                return learn_object(backbone, frame, mask=mask, method=method)
            recipe = resolve_variant("default", method, own=backbone.recipe)
            # Marked in the clip itself, and looked at there: it is meant as it is.
            shown = Reference(frame, mask=mask, as_given=True)
            return learner(method)(backbone, shown, variant=recipe)

        if self.reference is not None:
            concepts[self.name] = self._by_reference(self.reference, backbone, method, variant)
        for number in sorted(marked):
            for name, mask in marked[number].items():
                if name not in concepts:
                    concepts[name] = teach(frames[number], mask)
        return concepts

    def _by_reference(
        self, reference: ReferenceArgs, backbone: Backbone, method: Method, variant: TrackVariant
    ) -> Concept:
        from persam.video.official import learn_object

        if variant != "official":
            recipe = resolve_variant("default", method, own=backbone.recipe)
            return Examples((reference,)).learn(backbone, method, recipe)
        shown = reference.read()
        if shown.mask is None:
            raise InputError(
                "The official video scripts learn from a mask: give --mask, or leave out "
                "--variant official."
            )
        return learn_object(backbone, shown.image, mask=shown.mask, method=method)

    def _only(self, path: Path, size: tuple[int, int]) -> np.ndarray:
        from persam.video.labels import read_objects

        found = read_objects(path, size)
        if len(found) != 1:
            raise InputError(
                f"{path} shows {len(found)} objects, numbered {', '.join(map(str, found))}; "
                f"--object takes a mask of one. Give it as --first-mask."
            )
        return next(iter(found.values()))


def named_files(words: Sequence[str], option: str, *, stem: bool = False) -> dict[str, Path]:
    """Read ``NAME=FILE`` words.

    Args:
        words: as typed.
        option: for messages.
        stem: a word without ``=`` is a file, and its stem the name.

    Raises:
        InputError: no ``=``, nothing beside it, or a name twice.

    Example:
        >>> named_files(["dog=a.png"], "--object")
        {'dog': PosixPath('a.png')}
    """
    found: dict[str, Path] = {}
    for word in words:
        name, equals, file = word.partition("=")
        if stem and not equals:
            name, file = Path(word).stem, word
        if not name or not file:
            raise InputError(f"{option} takes NAME=FILE, as {option} dog=dog.png; got {word!r}.")
        if name in found:
            raise InputError(f"{option} names {name!r} twice. Give every object its own name.")
        found[name] = Path(file)
    return found
