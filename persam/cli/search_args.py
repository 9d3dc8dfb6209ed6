"""What an album is searched for, as typed: references to learn from, or concept files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from persam.cli.concept_args import LEARNING, ConceptArgs, digest, stored_concepts
from persam.cli.evaluate_args import refuse
from persam.cli.model_args import resolve_variant
from persam.cli.object_args import Examples
from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from persam.album.targets import AlbumTarget
    from persam.cli.model_args import Component
    from persam.cli.object_args import ReferenceArgs
    from persam.concept import Concept
    from persam.variants import Method


@dataclass(frozen=True)
class LearningArgs:
    """With what an object is learnt, or found again."""

    method: Method
    model: str
    match_with: str | None
    plugin: str | None
    typed: Sequence[str]

    def files(self, source: Examples | ConceptArgs) -> tuple[Path, ...]:
        """All that decides what is found."""
        from persam.models.registry import plugin_file

        return source.files if self.plugin is None else (*source.files, plugin_file(self.plugin))

    def concepts(
        self,
        source: Examples | ConceptArgs,
        recipe: tuple[str, Sequence[Component] | None, float | None],
        place: Mapping[str, str],
    ) -> dict[str, Concept]:
        """What is looked for, by name: learnt now, or read from concept files."""
        from persam.models.loading import load

        if isinstance(source, ConceptArgs):
            model = self.model if "model" in self.typed else None
            return stored_concepts(source.named, model, **place)
        backbone = load(self.model, match_with=self.match_with, plugin=self.plugin, **place)
        name, without, alpha = recipe
        variant = resolve_variant(name, self.method, without, alpha, backbone.recipe)
        return {"": source.learn(backbone, self.method, variant)}


def search_source(
    reference: ReferenceArgs | None,
    others: tuple[Sequence[str] | None, Sequence[str] | None],
    concepts: Sequence[str] | None,
    typed: Sequence[str],
) -> Examples | ConceptArgs:
    """Reference or concept files: exactly one kind, and no option that nothing would read."""
    if not concepts and reference is not None:
        return Examples.of(reference, *others)
    if not concepts or reference is not None:
        raise InputError(
            f"Say what to look for by --reference (with --mask, --box or --point) or by --concept; "
            f"got {'both' if concepts else 'neither'}."
        )
    settled = [name for name in typed if name in LEARNING]
    refuse(settled, f"the concept {concepts[0]} has settled it")
    return ConceptArgs.of(concepts)


def settings_words(
    source: Examples | ConceptArgs, learnt: Mapping[str, Concept], method: str
) -> str:
    """What the run looks for, besides the contents of its files."""
    backbone = next(iter(learnt.values())).backbone
    variants = [concept.variant for concept in learnt.values()]
    places = source.places if isinstance(source, Examples) else ()
    return repr((backbone.name, backbone.precision, method, *variants, places))


def target_of(
    source: Examples | ConceptArgs, learnt: Mapping[str, Concept], *, instances: bool
) -> AlbumTarget:
    """What an album is searched for."""
    from persam.album.targets import AlbumTarget

    several = isinstance(source, ConceptArgs) and source.several
    objects = learnt if several else next(iter(learnt.values()))
    return AlbumTarget.of(objects, instances=instances)


def identity_of(
    source: Examples | ConceptArgs,
    learnt: Mapping[str, Concept],
    made_of: tuple[str, Sequence[Path]],
) -> str:
    """What names a run where that is steadier than the concepts' numbers, else nothing.

    A concept file's own numbers name it: the page, too, goes on with what it has found.

    Args:
        source: as typed.
        learnt: from it.
        made_of: the method, and all files that decide what is found.
    """
    if isinstance(source, ConceptArgs):
        return ""
    method, files = made_of
    return digest(settings_words(source, learnt, method), files)
