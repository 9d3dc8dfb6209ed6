"""What a method is: the shape that everything in this folder has, and a function of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from persam.io.images import Source
    from persam.models.base import Backbone
    from persam.prediction import Prediction


class Learnt(Protocol):
    """What a method gives: it finds its object. :class:`persam.concept.Concept` is the usual one.

    Where it can, it also has ``segment_embedding(embedding)``, which does the same for a picture
    that the backbone has encoded already, and so lets many objects share one encoding. An integer
    ``trained_parameters`` says how many numbers were fitted to the reference.
    """

    def segment(self, image: Source) -> Prediction:
        """Find the object in a picture: a path, a PIL image, or ``(H, W, 3)`` uint8 RGB."""
        ...


class Learner(Protocol):
    """A method: :func:`persam.personalize`, :func:`persam.finetune`, or any function like them.

    Nothing is registered: ``persam evaluate ... --method my_method.py:build`` runs

    .. code-block:: python

        def build(backbone, image, *, mask):
            return persam.personalize(backbone, image, mask=mask, variant="official")

    One picture and one mask are all that it is given: every protocol here is one-shot.

    A method may use ``backbone.encode`` and ``backbone.decode``, or bring a model of its own. It
    must leave the backbone as it found it: the next object is learnt with the same one.

    Example:
        >>> import persam
        >>> def build(backbone, image, *, mask):
        ...     return persam.personalize(backbone, image, mask=mask, variant="official")
        >>> learner: Learner = build
    """

    def __call__(self, backbone: Backbone, image: Source, *, mask: Source) -> Learnt:
        """Learn the object that a mask shows.

        Args:
            backbone: what :func:`persam.load` gave.
            image: the reference: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array.
            mask: the object in it: a path, a PIL image or an array of the same size.

        Raises:
            InputError: unreadable or unusable input; the message says which and what to do.
        """
        ...
