"""Explain one answer: search a picture with a trace, and make a page or a figure of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from persam.explanation import panels
from persam.explanation.page import page
from persam.explanation.sections import Search, Section, sections
from persam.io.images import read_image
from persam.io.writers import write_single

if TYPE_CHECKING:
    from persam.concept import Concept
    from persam.io.images import Source
    from persam.prediction import Prediction


@dataclass(frozen=True, eq=False)
class Explanation:
    """One answer with the stages that led to it; a notebook shows it as its page.

    Attributes:
        title: what was looked at.
        facts: method, model and the like, by name.
        sections: the stages in their order.
        prediction: the answer, its trace included.

    Example:
        >>> import persam
        >>> from persam import samples
        >>> photo, mask = samples.files(samples.PICTURES, 0)
        >>> other, _ = samples.files(samples.PICTURES, 2)
        >>> dog = persam.personalize(persam.load("pocket"), photo, mask=mask)
        >>> shown = persam.explain(dog, other)
        >>> (shown.figure().mode, "<img" in shown.html())
        ('RGB', True)
    """

    title: str
    facts: dict[str, str]
    sections: tuple[Section, ...]
    prediction: Prediction

    def html(self) -> str:
        """The page, with its pictures inside: one file that needs nothing else."""
        return page(self.title, self.facts, self.sections)

    def write(self, path: str | Path) -> None:
        """Write the page, whole or not at all.

        Raises:
            InputError: the file cannot be written.
        """
        write_single(path, self.html())

    def figure(self) -> Image.Image:
        """All pictures of the page in one, a row a stage, for papers and notebooks."""
        shown = [section for section in self.sections if section.panels]
        rows = {section.title: [panel.pixels for panel in section.panels] for section in shown}
        return Image.fromarray(panels.tiles(rows))

    def __repr__(self) -> str:
        stages = len(self.sections)
        return f"Explanation({self.title!r}, {stages} stages, score {self.prediction.score:.2f})"

    def _repr_html_(self) -> str:
        return self.html()


def explain(concept: Concept, image: Source, *, reference: Source | None = None) -> Explanation:
    """Search a picture and keep every stage.

    Args:
        concept: what is looked for.
        image: where: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array.
        reference: the picture that the concept was learnt from (the first one), to show beside
            its mask and its foreground features. A concept out of a file does not have these.

    Raises:
        InputError: a picture cannot be read, or the reference is another picture than the
            concept's.

    Example:
        >>> import persam
        >>> from persam import samples
        >>> model = persam.load("pocket", device="cpu")
        >>> photo, mask = samples.files(samples.PICTURES, 0)
        >>> dog = persam.personalize(model, photo, mask=mask)
        >>> found = explain(dog, photo, reference=photo)
        >>> found.sections[2].title
        'Location confidence map'
    """
    picture = read_image(image)
    found = concept.segment(picture, trace=True)
    shown = None if reference is None else _reference(concept, reference)
    frame = concept.backbone.frame(*picture.shape[:2])
    search = Search(concept, picture, frame, found, shown)
    facts = {
        "method": {"persam": "PerSAM", "persam-f": "PerSAM-F"}[concept.method],
        "model": concept.backbone.name,
        "photo": f"{picture.shape[1]} x {picture.shape[0]} pixels",
    }
    if concept.weights is not None:
        facts["weights"] = ", ".join(f"{weight:.2f}" for weight in concept.weights)
    name = Path(image).name if isinstance(image, str | Path) else "a picture"
    return Explanation(name, facts, tuple(sections(search)), found)


def _reference(concept: Concept, reference: Source) -> np.ndarray | None:
    """The reference, where the concept's trace holds a mask of its size."""
    mask = concept.trace.get("ref_mask")
    picture = read_image(reference)
    return picture if mask is not None and mask.shape == picture.shape[:2] else None
