"""Several objects in one picture that is encoded once; no pixel belongs to two of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch.nn.functional as F

from persam.errors import InputError
from persam.io.images import read_image
from persam.io.palette import MOST
from persam.pipeline import presence
from persam.pipeline.prompts import mask_box
from persam.structures import Embedding, Prediction, Prompts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from persam.concept import Concept
    from persam.io.images import Source
    from persam.structures import Frame

LEAST_LEFT = 0.25  # of a mask whose other pixels went to a better match; below it nothing is left


def segment_objects(
    concepts: Mapping[str, Concept], image: Source | Embedding
) -> dict[str, Prediction]:
    """Find several objects in a picture.

    The presence of each is judged first, so that the decoder is asked for those alone that may be
    there. Where two masks meet, the pixels go to the object whose cells they are more like.

    Args:
        concepts: by name; of one model.
        image: a path, a PIL image, an ``(H, W, 3)`` uint8 RGB array, or what the concepts' backbone
            made of it.

    Returns:
        By name, in the order of the concepts; masks do not overlap. An object that is absent, or
        of whose mask others took more than three quarters, has an empty mask and a score of 0.

    Raises:
        InputError: no concept, too many for a label map, concepts of different models, or a picture
            that cannot be read.
    """
    check_concepts(concepts)
    if not isinstance(image, Embedding):
        backbone = next(iter(concepts.values())).backbone
        image = backbone.encode(read_image(image))
    return share_out(concepts, image, {name: look(c, image) for name, c in concepts.items()})


def check_concepts(concepts: Mapping[str, Concept]) -> None:
    """Refuse concepts that cannot look at one encoded picture together.

    Raises:
        InputError: none, too many for a label map, or concepts of different models.
    """
    if not 1 <= len(concepts) <= MOST:
        raise InputError(f"A picture is searched for 1 to {MOST} objects; got {len(concepts)}.")
    models = {concept.backbone.name for concept in concepts.values()}
    if len(models) > 1:
        raise InputError(
            f"The objects were learnt with different models ({', '.join(sorted(models))}), but a "
            f"picture is encoded once for all. Learn them with one model, or look for them in "
            f"separate runs."
        )


def share_out(
    concepts: Mapping[str, Concept], embedding: Embedding, found: Mapping[str, Prediction]
) -> dict[str, Prediction]:
    """Give pixels that several objects claim to the one that they are more like.

    A contested pixel is not decided alone: all pixels that the same objects claim go to one of
    them, by the mean over these pixels of the cosine to each object's nearest cell.

    Args:
        concepts: by name.
        embedding: the picture.
        found: by name, before anything is shared; masks may overlap.

    Returns:
        By name; masks do not overlap.
    """
    names = [name for name, prediction in found.items() if prediction.present]
    claims = np.stack([found[name].mask for name in names]) if names else np.zeros((0, 1, 1), bool)
    contested = np.count_nonzero(claims, axis=0) > 1
    if not contested.any():
        return dict(found)
    rows, columns = np.nonzero(contested)
    bids = np.stack([_bid(concepts[name], embedding, rows, columns) for name in names])
    owners = _owners(claims[:, rows, columns], bids)
    claims[:, rows, columns] &= np.arange(len(names))[:, None] == owners
    kept = dict(zip(names, claims, strict=True))
    return {
        name: _kept(prediction, kept[name]) if name in kept else prediction
        for name, prediction in found.items()
    }


def look(concept: Concept, embedding: Embedding) -> Prediction:
    """Find one object, its presence first: where it is absent, nothing more is asked."""
    return glance(concept, embedding) or concept.segment_embedding(embedding)


def glance(concept: Concept, embedding: Embedding) -> Prediction | None:
    """An empty prediction, without points, where the matching features show an object absent.

    Returns:
        None where it may be there; :meth:`persam.concept.Concept.segment_embedding` knows more.
    """
    presence = concept.presence_in(embedding)
    if not concept.is_absent(presence):
        return None
    nothing = np.zeros((embedding.frame.height, embedding.frame.width), dtype=bool)
    asked = Prompts()
    return Prediction(nothing, 0.0, None, asked.points, asked.labels, presence=presence)


def _owners(claims: np.ndarray, bids: np.ndarray) -> np.ndarray:
    """``(n,)`` index of the object that each of n pixels goes to.

    Args:
        claims: ``(k, n)`` bool, which of k objects claim it.
        bids: ``(k, n)``, how like each object it is.
    """
    group = np.zeros(claims.shape[1], dtype=np.int64)
    for claim in claims:  # pixels of one group are claimed by the same objects
        group = np.unique(2 * group + claim, return_inverse=True)[1].reshape(-1)
    owners = np.zeros_like(group)
    for number in range(int(group.max()) + 1):
        members = group == number
        party = claims[:, members][:, 0]
        owners[members] = np.where(party, bids[:, members].mean(axis=1), -np.inf).argmax()
    return owners


def _bid(
    concept: Concept, embedding: Embedding, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """``(n,)`` cosine of the cells that show n pixels to the object's nearest cell.

    To its target feature where the recipe keeps no cells; -1 where they are a negative reference's.
    """
    features = embedding.matching[0]
    vectors = F.normalize(features, dim=0).flatten(1).T
    known = concept.foreground if len(concept.foreground) else concept.target_feature[None]
    found = (vectors @ known.T).amax(dim=1)
    if len(concept.foreground):
        found = found.where(presence.nearer_to_object(vectors, concept.known), -1.0)
    like = found.reshape(features.shape[1:]).cpu().numpy()
    down, right = _cells(embedding.frame, like.shape)
    return like[down[rows], right[columns]]


def _cells(frame: Frame, grid: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Grid row ``(height,)`` and column ``(width,)`` of the cells that show the pixels."""
    down, right = np.arange(frame.height) + 0.5, np.arange(frame.width) + 0.5
    rows = down * frame.resized[0] / frame.height * grid[0] / frame.square
    columns = right * frame.resized[1] / frame.width * grid[1] / frame.square
    return rows.astype(np.int64), columns.astype(np.int64)


def _kept(prediction: Prediction, mask: np.ndarray) -> Prediction:
    left = np.count_nonzero(mask)
    if left < LEAST_LEFT * np.count_nonzero(prediction.mask):
        mask, left = np.zeros_like(mask), 0
    return replace(
        prediction, mask=mask, box=mask_box(mask), score=prediction.score if left else 0.0
    )
