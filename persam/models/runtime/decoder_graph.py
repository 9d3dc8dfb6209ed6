"""A model's decoder as one network from tensors to tensors, prompts and guidance among its inputs.

That is what engines convert and `persam export` writes. The inputs, in this order: the features,
the family's further maps, ``points`` ``(1, n, 2)`` in pixels of the square, ``labels`` ``(1, n)``
(1 on the object, 0 off it, 2 and 3 a box's corners, -1 padding), ``mask`` ``(1, 1, m, m)``,
``has_mask`` ``(1,)``, ``guide`` ``(1, 1, 1, h * w)``, ``guided`` ``(1,)``, ``target``
``(1, 1, c)``. It gives masks 0..3 and their IoU estimates. Without guidance ``guided`` is 0 and
``target`` zeros, and the attention is plain.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import AttentionInterface

from persam.models.guided_attention import REWEIGHTED, TensorGuidance, attend, guided
from persam.models.tensors import to_tensor
from persam.structures import Embedding, Maps, Prompts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from persam.structures import Frame, MaskLogits

    # How a family asks its decoder: embeddings, prompts, multimask.
    Answer = Callable[..., list[MaskLogits]]

SWITCHED = "persam_switched"
FREE = ("points", "labels")  # inputs of any length
OUTPUTS = ("logits", "iou")
POINT = Prompts(np.zeros((1, 2), np.int64), np.ones(1, np.int64))


def switched(weights: torch.Tensor, guide: torch.Tensor) -> torch.Tensor:
    """:func:`persam.models.guided_attention.reweighted` with a switch among its inputs.

    Args:
        weights: ``(..., n, m)``.
        guide: ``(..., 2, m)``: the guide, and a row that is 1 where it is to be read and 0 where
            attention is plain.
    """
    reweighted = torch.softmax(weights + guide[..., :1, :], dim=-1)
    return torch.where(guide[..., 1:, :] > 0, reweighted, weights)


def switched_attention(  # noqa: PLR0913 - the signature is transformers'
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    **_: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """:func:`persam.models.guided_attention.guided_attention` by :func:`switched`.

    Args:
        module: the calling layer; unused.
        query: as there.
        key: as there.
        value: as there.
        attention_mask: ``(1, 1, 2, m)`` as for :func:`switched`; None for plain attention.
        scaling: as there.
        _: what the decoders leave at nothing.
    """
    return attend(query, key, value, attention_mask, scaling, switched)


REWEIGHTED[SWITCHED] = switched
AttentionInterface.register(SWITCHED, switched_attention)


@contextmanager
def answered_once(module: torch.nn.Module) -> Iterator[None]:
    """Let a module compute its first answer alone, where all that it is asked is the same."""
    kept: list[Any] = []
    forward = module.forward

    def answer(*args: Any, **named: Any) -> Any:
        if not kept:
            kept.append(forward(*args, **named))
        return kept[0]

    own = vars(module).get("forward")
    module.forward = answer
    try:
        yield
    finally:
        del module.forward
        if own is not None:
            module.forward = own


class DecoderGraph(torch.nn.Module):
    """A family's decoder with everything it is asked by as tensors, prompts included."""

    def __init__(self, model: Any, answer: Answer, frame: Frame) -> None:
        super().__init__()
        # These two hold all of its weights; the way through them is the family's own.
        self.prompt_encoder: Any = model.prompt_encoder
        self.mask_decoder: Any = model.mask_decoder
        self._answer = answer
        self._frame = frame

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Answer with ``(1, 4, m, m)`` logits and ``(1, 4)`` IoU estimates."""
        features, *extras = inputs[:-7]
        points, labels, mask, has_mask, guide, on, target = inputs[-7:]
        maps: Any = (features, tuple(extras))  # tensors, which the family's code takes as they are
        embedding = Embedding(Maps(maps[0], maps[0], maps[1]), self._frame)
        rows = torch.cat([guide, on.reshape(1, 1, 1, 1).expand_as(guide)], dim=2)
        prompted = self._sparse(points, labels), self._dense(mask, has_mask)
        # The family's own way through its decoder, with these prompts in the place of any others.
        guidance = TensorGuidance(rows, target)
        hook = self.prompt_encoder.register_forward_hook(lambda *_: prompted)
        try:
            transformer = self.mask_decoder.transformer
            with guided(self.mask_decoder, guidance, SWITCHED), answered_once(transformer):
                answers = [
                    self._answer([embedding], [POINT], multimask=several)[0]
                    for several in (False, True)
                ]
        finally:
            hook.remove()
        found: Any = [(answer.logits, answer.iou) for answer in answers]
        logits, iou = (torch.cat(maps) for maps in zip(*found, strict=True))
        return logits[None], iou[None]

    def _sparse(self, points: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        encoder = self.prompt_encoder
        kinds: Any = encoder.point_embed
        several = isinstance(kinds, torch.nn.ModuleList)  # else one table of four rows
        rows: list[Any] = [kind.weight for kind in kinds] if several else [kinds.weight]
        table = torch.cat([encoder.not_a_point_embed.weight, *rows])
        size = encoder.input_image_size
        places = encoder.shared_embedding(points[:, None] + 0.5, (size, size))
        return places * (labels >= 0)[:, None, :, None] + table[labels + 1][:, None]

    def _dense(self, mask: torch.Tensor, has_mask: torch.Tensor) -> torch.Tensor:
        encoder = self.prompt_encoder
        nothing = encoder.no_mask_embed.weight.reshape(1, -1, 1, 1)
        return torch.where(has_mask > 0, encoder.mask_embed(mask), nothing)


def blank_inputs(embedding: Embedding) -> dict[str, torch.Tensor]:
    """Inputs of the graph by name, of the shapes that a picture's embedding has."""
    _, channels, rows, columns = embedding.features.shape
    return {
        "features": to_tensor(embedding.features),
        **{f"extra_{i}": to_tensor(maps) for i, maps in enumerate(embedding.extras)},
        "points": torch.zeros(1, 3, 2),
        "labels": torch.tensor([[1, 0, -1]]),
        "mask": torch.zeros(1, 1, 4 * rows, 4 * columns),
        "has_mask": torch.zeros(1),
        "guide": torch.zeros(1, 1, 1, rows * columns),
        "guided": torch.zeros(1),
        "target": torch.zeros(1, 1, channels),
    }
