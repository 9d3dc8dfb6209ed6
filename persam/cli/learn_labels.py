"""`persam learn LABELS`: every class of label files learnt, all in one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persam.cli.console import count, say
from persam.cli.model_args import resolve_variant, with_min_presence
from persam.cli.object_args import learner
from persam.errors import InputError
from persam.io.folders import refuse_overwriting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from persam.cli.label_args import LabelArgs
    from persam.cli.model_args import Component
    from persam.cli.search_args import LearningArgs
    from persam.concept import Concept
    from persam.pipeline.reference import Reference


def learn_set(
    asked: LabelArgs,
    out: Path,
    learning: LearningArgs,
    recipe: tuple[str, Sequence[Component] | None, float | None, float | None],
    place: Mapping[str, str],
) -> None:
    """Learn the objects that labels show, and keep them in one file.

    Args:
        asked: which labels.
        out: the file.
        learning: with what they are learnt.
        recipe: ``--variant``, ``--without``, ``--alpha`` and ``--min-presence``.
        place: ``device``, ``precision`` and ``engine``.

    Raises:
        InputError: labels that cannot be used, or a file that would be replaced.
    """
    if out.suffix != ".safetensors":
        raise InputError(f"--out names a concept file, as pets.safetensors; got {out}.")
    from persam.io.concept_file import refuse_other_file
    from persam.io.concept_set import is_concept_set, write_concept_set
    from persam.methods.from_labels import labelled_objects, learn_labels

    if not is_concept_set(out):
        refuse_other_file(out)
    labels = asked.read()
    photos = [picture.path for picture in labels.pictures if picture.path is not None]
    refuse_overwriting([out], [asked.path, *photos], "Choose another --out.")
    objects = labelled_objects(labels, asked.classes, per_instance=asked.per_instance)
    learnt = learn_labels(labels, objects, _learner(learning, recipe, place))
    write_concept_set(out, learnt)
    for name, references in objects.items():
        say(f"Learnt {name} from {count(len(references), 'reference')}")
    say(f"{count(len(objects), 'object')}: {out}")


def _learner(
    learning: LearningArgs,
    recipe: tuple[str, Sequence[Component] | None, float | None, float | None],
    place: Mapping[str, str],
) -> Callable[[Sequence[Reference]], Concept]:
    """What makes a concept of an object's references, its model loaded."""
    from persam.models.loading import load

    backbone = load(learning.model, match_with=learning.match_with, plugin=learning.plugin, **place)
    name, without, alpha, min_presence = recipe
    variant = resolve_variant(name, learning.method, without, alpha, backbone.recipe)

    def learn(references: Sequence[Reference]) -> Concept:
        learnt = learner(learning.method)(backbone, list(references), variant=variant)
        return with_min_presence(learnt, min_presence)

    return learn
