"""Several objects in one picture that is encoded once; no pixel belongs to two of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from persam import geometry
from persam.errors import InputError
from persam.io.images import read_image
from persam.io.palette import MOST
from persam.pipeline.comparison import ObjectSet
from persam.pipeline.decoder_batch import beside_others
from persam.pipeline.presence import nearer_to_object
from persam.pipeline.prompts import mask_box
from persam.pipeline.segment import find, nothing
from persam.pipeline.similarity import nearest
from persam.structures import Embedding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from persam.io.images import Source
    from persam.pipeline.comparison import Standing
    from persam.pipeline.features import SearchTarget
    from persam.prediction import Prediction

LEAST_LEFT = 0.25  # of a mask whose other pixels went to a better match; below it nothing is left
_CLOSE = 1.5  # log-odds between two claims, 82 % against 18: below it both are doubtful


def segment_objects(
    concepts: Mapping[str, SearchTarget], image: Source | Embedding
) -> dict[str, Prediction]:
    """Find several objects in a picture.

    Their evidence is compared first: in company of others an object needs less presence of its own,
    and where two masks meet, the pixels go to the likelier one. What is close is marked doubtful.

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

    Example:
        >>> import persam
        >>> from persam import samples
        >>> photo, mask = samples.files(samples.PICTURES, 0)
        >>> other, _ = samples.files(samples.PICTURES, 2)
        >>> model = persam.load("pocket")
        >>> dog = persam.personalize(model, photo, mask=mask)
        >>> floor = persam.personalize(model, photo, box=(0, 400, 640, 480))
        >>> found = persam.segment_objects({"dog": dog, "floor": floor}, other)
        >>> list(found)
        ['dog', 'floor']
        >>> bool((found["dog"].mask & found["floor"].mask).any())
        False
    """
    check_concepts(concepts)
    if not isinstance(image, Embedding):
        picture = read_image(image)
        embedding = next(iter(concepts.values())).backbone.encode(picture)
        image = replace(embedding, image=picture)
    return segment_set(ObjectSet.of(concepts), image)


def segment_set(objects: ObjectSet, embedding: Embedding) -> dict[str, Prediction]:
    """:func:`segment_objects` for many pictures: what is learnt of the set is learnt once."""
    standings = objects.judge(embedding)
    early = {
        name: absence(target, embedding, standings[name])
        for name, target in objects.targets.items()
    }
    unclear = [name for name, prediction in early.items() if prediction is None]
    looked = beside_others(
        lambda name: find(objects.targets[name], embedding, standings[name].evidence), unclear
    )
    later = dict(zip(unclear, looked, strict=True))
    found = {name: prediction or later[name] for name, prediction in early.items()}
    return resolve_overlaps(objects.targets, embedding, found, standings)


def check_concepts(concepts: Mapping[str, SearchTarget]) -> None:
    """Refuse objects that cannot be looked for in one encoded picture together.

    Raises:
        InputError: none, too many for a label map, or objects of different models.
    """
    if not 1 <= len(concepts) <= MOST:
        raise InputError(f"A picture is searched for 1 to {MOST} objects; got {len(concepts)}.")
    models = {target.backbone.name for target in concepts.values()}
    if len(models) > 1:
        raise InputError(
            f"The objects were learnt with different models ({', '.join(sorted(models))}), but a "
            f"picture is encoded once for all. Learn them with one model, or look for them in "
            f"separate runs."
        )


def absence(target: SearchTarget, embedding: Embedding, standing: Standing) -> Prediction | None:
    """The empty answer where the matching features alone show that an object is absent.

    Args:
        target: the object.
        embedding: the picture; of its maps only the matching features are read.
        standing: of the object in the picture.

    Returns:
        None where it may be there.
    """
    least = target.variant.min_presence
    if not standing.absent(least):
        return None
    found = nothing(embedding.frame, standing.evidence)
    return replace(found, doubtful=standing.evidence.doubtful(least))


def resolve_overlaps(
    targets: Mapping[str, SearchTarget],
    embedding: Embedding,
    found: Mapping[str, Prediction],
    standings: Mapping[str, Standing],
) -> dict[str, Prediction]:
    """Give pixels that several objects claim to the one that is likelier there.

    A contested pixel is not decided alone: all pixels that the same objects claim go to one of
    them. Likelier is who has the higher log-odds in the whole picture plus, on the same scale, the
    more similar cells there. Where that is close, both are doubtful.

    Args:
        targets: by name.
        embedding: the picture.
        found: by name; masks may overlap.
        standings: by name.

    Returns:
        By name; masks do not overlap.
    """
    names = [name for name, prediction in found.items() if prediction.present]
    claims = np.stack([found[name].mask for name in names]) if names else np.zeros((0, 1, 1), bool)
    contested = np.count_nonzero(claims, axis=0) > 1
    if not contested.any():
        return dict(found)
    rows, columns = np.nonzero(contested)
    down, right = geometry.cell_of_pixels(embedding.frame, embedding.cells.shape[:2])
    scores = np.stack(
        [
            _scale(targets[name])
            * _similarity(targets[name], embedding)[down[rows], right[columns]]
            + standings[name].odds
            for name in names
        ]
    )
    before = claims[:, rows, columns]
    owners, close = _owners(before, scores)
    unsure = _doubtful(before & close, claims)
    claims[:, rows, columns] &= np.arange(len(names))[:, None] == owners
    left = dict(zip(names, claims, strict=True))
    marked = {name for name, one in zip(names, unsure, strict=True) if one}
    return {
        name: _remaining(prediction, left[name], doubtful=name in marked)
        if name in left
        else prediction
        for name, prediction in found.items()
    }


def _scale(target: SearchTarget) -> float:
    """Log-odds that a cosine is worth."""
    return 1.0 if target.calibration is None else target.calibration.slope


def _doubtful(close: np.ndarray, claims: np.ndarray) -> np.ndarray:
    """``(k,)`` bool: whose masks are contested closely in a large part.

    Args:
        close: ``(k, n)`` bool, which contested pixels each object claims almost as well as another.
        claims: ``(k, height, width)`` bool, the masks.
    """
    return close.sum(axis=1) > LEAST_LEFT * claims.sum(axis=(1, 2))


def _owners(claims: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``(n,)`` index of the object that each of n pixels goes to, and whether that is close.

    Args:
        claims: ``(k, n)`` bool, which of k objects claim it.
        scores: ``(k, n)``, how likely each object is, in log-odds.
    """
    group = np.zeros(claims.shape[1], dtype=np.int64)
    for claim in claims:  # pixels of one group are claimed by the same objects
        group = np.unique(2 * group + claim, return_inverse=True)[1].reshape(-1)
    owners, close = np.zeros_like(group), np.zeros(group.shape, dtype=bool)
    for number in range(int(group.max()) + 1):
        members = group == number
        party = claims[:, members][:, 0]
        means = np.where(party, scores[:, members].mean(axis=1), -np.inf)
        second, first = np.sort(means)[-2:]
        owners[members], close[members] = means.argmax(), first - second < _CLOSE
    return owners, close


def _similarity(target: SearchTarget, embedding: Embedding) -> np.ndarray:
    """``(h, w)`` cosine of a picture's cells to the object's nearest cell.

    To its target feature where the recipe keeps no cells; -1 where they are a negative's.
    """
    cells, features = embedding.cells, target.features
    if len(features.foreground) == 0:
        return cells @ features.target_feature
    found = nearest(cells, features.foreground)
    if not features.negatives:
        return found
    vectors = cells.reshape(-1, cells.shape[-1])
    return np.where(nearer_to_object(vectors, features).reshape(found.shape), found, -1.0)


def _remaining(prediction: Prediction, mask: np.ndarray, *, doubtful: bool = False) -> Prediction:
    left = np.count_nonzero(mask)
    if left < LEAST_LEFT * np.count_nonzero(prediction.mask):
        mask, left = np.zeros_like(mask), 0
    return replace(
        prediction,
        mask=mask,
        box=mask_box(mask),
        score=prediction.score if left else 0.0,
        doubtful=prediction.doubtful or doubtful,
    )
