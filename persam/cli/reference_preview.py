"""What a box or a click took for the object, in words and as a picture: it may be three bottles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from persam.cli.console import say

if TYPE_CHECKING:
    from pathlib import Path

    from persam.cli.object_args import ReferenceArgs
    from persam.concept import Concept

_SIDE = 640
_COMMENT = b"persam: what was taken for the object"  # tells our picture from somebody's own


@dataclass(frozen=True)
class ShownReference:
    """The mask that the model made of a box or of points; both empty of a given mask.

    Attributes:
        words: how much it took, and where.
        picture: JPEG of the reference with the mask tinted.
    """

    words: str = ""
    picture: bytes = b""

    @classmethod
    def of(cls, shown: ReferenceArgs, concept: Concept) -> ShownReference:
        """Look at what was learnt just now.

        Args:
            shown: the first reference, as typed.
            concept: what was learnt of it.
        """
        if shown.mask is not None:
            return cls()
        from persam.io.drawing import overlay, thumbnail
        from persam.io.images import read_image
        from persam.io.writers import jpeg
        from persam.pipeline.prompts import mask_box

        mask = concept.trace["ref_mask"] > 0
        x0, y0, x1, y1 = mask_box(mask) or (0, 0, 0, 0)
        way = "box" if shown.box is not None else "click"
        words = (
            f"The {way} took {mask.mean():.1%} of {shown.picture.name} for the object, from "
            f"{x0},{y0} to {x1},{y1}."
        )
        marked = thumbnail(overlay(read_image(shown.picture), mask, []), _SIDE)
        return cls(words, jpeg(marked, comment=_COMMENT))

    def tell(self, path: Path, *, quiet: bool = False) -> None:
        """Say it, and where the picture is."""
        if self.words and not quiet:
            say(f"{self.words} Have a look: {path}")

    def write_beside(self, path: Path) -> None:
        """Write the picture and say so; a file of that name that is no such picture stays.

        Raises:
            InputError: the operating system refuses.
        """
        from persam.io.writers import write_single

        if not self.words:
            return
        if path.exists() and _COMMENT not in path.read_bytes()[:4096]:
            say(f"{self.words} {path} is somebody's own file, so it is not drawn there.")
            return
        write_single(path, self.picture)
        self.tell(path)
