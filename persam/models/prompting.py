"""Between persam's own structures and what transformers' SAM models take and give.

Shared by the adapters: prompts to keyword tensors, outputs to MaskLogits, and the checks of what
callers hand in. Every tensor has a batch of one picture and one prompt set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from persam import geometry
from persam.errors import InputError
from persam.structures import MaskLogits, Preprocessed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.models.base import Backbone
    from persam.structures import Embedding, Frame, Prompts


def check_image(image: np.ndarray) -> None:
    """Raise InputError where a picture is not ``(H, W, 3)`` uint8."""
    shape, kind = np.shape(image), getattr(image, "dtype", type(image).__name__)
    if kind != np.uint8 or len(shape) != 3 or shape[2] != 3:
        raise InputError(
            f"A backbone encodes (height, width, 3) uint8 RGB arrays; got shape {shape} of {kind}. "
            "Read pictures with persam.io.images.read_image."
        )


def preprocess(image: np.ndarray, backbone: Backbone) -> Preprocessed:
    """Bring a picture into a model's square.

    Args:
        image: ``(height, width, 3)`` uint8 RGB, upright.
        backbone: says how pictures lie in its square, and how they are normalised.

    Raises:
        InputError: not such an array.
    """
    check_image(image)
    frame = backbone.frame(*image.shape[:2])
    return Preprocessed((geometry.prepare(image, frame, backbone.mean, backbone.std),), frame)


def check_embedding(embedding: Embedding, prompt_encoder: Any, extras: int) -> None:
    """Raise InputError where an embedding is not of this model.

    Args:
        embedding: what the caller hands in.
        prompt_encoder: of the model that is to decode it; it knows the width and the grid.
        extras: how many further feature maps the model's decoder needs.
    """
    shape = tuple(embedding.features.shape[1:])
    expected = (prompt_encoder.hidden_size, *prompt_encoder.image_embedding_size)
    if shape != expected or len(embedding.extras) != extras:
        raise InputError(
            f"This embedding has features {shape} and {len(embedding.extras)} further maps; the "
            f"model decodes {expected} and {extras}. Encode the picture with this very model."
        )


def prompt_tensors(
    prompts: Prompts, frame: Frame, prompt_encoder: Any, device: torch.device
) -> dict[str, torch.Tensor]:
    """Lay prompts into the model's square, as keywords of its ``forward``.

    The model itself adds half a pixel to every coordinate, and its padding token where there are
    points but no box.

    Args:
        prompts: in original pixels; any mix of points, box and mask with at least a point or box.
        frame: how the picture lies in the square.
        prompt_encoder: the model's, which knows the side of the mask input.
        device: where the tensors go.

    Returns:
        ``input_points`` ``(1, 1, n, 2)``, ``input_labels`` ``(1, 1, n)``, ``input_boxes``
        ``(1, 1, 4)`` and ``input_masks`` ``(1, 1, m, m)``, those that were asked.

    Raises:
        InputError: neither point nor box, a label that is neither 0 nor 1, or a mask of another
            size.
    """
    asked: dict[str, torch.Tensor] = {}
    if len(prompts.points):
        if not np.isin(prompts.labels, (0, 1)).all():
            raise InputError(
                f"A point's label is 1 (on the object) or 0 (off it); got {prompts.labels}."
            )
        asked["input_points"] = _coordinates(prompts.points, frame, device)[None, None]
        asked["input_labels"] = torch.from_numpy(prompts.labels.astype(np.int64)).to(device)[
            None, None
        ]
    if prompts.box is not None:
        # SAM takes the pixels in two corners, a box ends at pixel edges.
        corners = np.asarray(prompts.box).reshape(2, 2) - [[0, 0], [1, 1]]
        asked["input_boxes"] = _coordinates(corners, frame, device).reshape(1, 1, 4)
    if not asked:
        raise InputError("There is nothing to decode by: give at least one point or a box.")
    if prompts.mask is not None:
        asked["input_masks"] = _mask(prompts.mask, prompt_encoder).to(device)[None]
    return asked


def check_kinds(prompts: Sequence[Prompts], embeddings: Sequence[Embedding]) -> None:
    """Raise InputError where prompt sets do not make a batch.

    That is: not one for each embedding, or not all with the same parts and as many points.
    """
    if not prompts or len(prompts) != len(embeddings):
        raise InputError(
            f"A batch has one prompt set for each of its embeddings, at least one; got "
            f"{len(prompts)} prompt sets for {len(embeddings)} embeddings."
        )
    kinds = {(len(one.points), one.box is None, one.mask is None) for one in prompts}
    if len(kinds) > 1:
        raise InputError(
            f"The prompt sets of a batch have the same parts, and as many points each; got "
            f"{len(kinds)} kinds. Ask for each kind by itself."
        )


def prompt_batch(
    prompts: Sequence[Prompts],
    embeddings: Sequence[Embedding],
    prompt_encoder: Any,
    device: torch.device,
) -> dict[str, torch.Tensor]:
    """Lay one prompt set for each of ``n`` embeddings; as :func:`prompt_tensors`, n rows each.

    Raises:
        InputError: as :func:`check_kinds` and :func:`prompt_tensors`.
    """
    check_kinds(prompts, embeddings)
    rows = [
        prompt_tensors(asked, embedding.frame, prompt_encoder, device)
        for asked, embedding in zip(prompts, embeddings, strict=True)
    ]
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}


def stack(embeddings: Sequence[Embedding]) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Features ``(n, c, h, w)`` and extras of ``n`` embeddings, as a decoder's batch."""
    features = torch.cat([embedding.features for embedding in embeddings])
    extras = zip(*(embedding.extras for embedding in embeddings), strict=True)
    return features, [torch.cat(maps) for maps in extras]


def mask_logits(logits: torch.Tensor, iou: torch.Tensor) -> list[MaskLogits]:
    """Take a batch of answers apart: ``(n, k, m, m)`` logits and ``(n, k)`` IoU estimates."""
    pairs = zip(logits.float(), iou.float(), strict=True)
    return [MaskLogits(masks, scores) for masks, scores in pairs]


def _coordinates(xy: np.ndarray, frame: Frame, device: torch.device) -> torch.Tensor:
    # Scaled in float64 and rounded once, as segment-anything does.
    return torch.from_numpy(geometry.to_square(xy, frame).astype(np.float32)).to(device)


def _mask(mask: torch.Tensor, prompt_encoder: Any) -> torch.Tensor:
    side = 4 * prompt_encoder.image_embedding_size[0]
    if tuple(mask.shape) != (1, side, side):
        raise InputError(
            f"A mask prompt is the (1, {side}, {side}) logits of an earlier step of this model; "
            f"got {tuple(mask.shape)}."
        )
    return mask.float()
