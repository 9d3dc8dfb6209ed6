"""Asks a decoder that runs outside torch: prompts and guidance in, mask logits out."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

from persam.models.prompting import check_embedding, prompt_tensors
from persam.structures import MaskLogits

if TYPE_CHECKING:
    from persam.models.runtime import Runner
    from persam.structures import Embedding, Frame, Guidance, Prompts

PADDING = -1  # label of the token that stands for "no further point"
CORNERS = (2, 3)  # labels of a box's corners
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Sizes:
    """What a decoder's inputs look like.

    Attributes:
        square: side of the model's input in pixels.
        grid: channels, rows and columns of the features.
        extras: how many further maps the decoder takes.
        pad_box: whether a box is followed by a padding token.
        sketch: whether prompts without a mask are drawn as one.
    """

    square: int
    grid: tuple[int, int, int]
    extras: int
    pad_box: bool
    sketch: bool


class ConvertedDecoder:
    """A decoder graph (``decoder_graph.py``) in an engine; it has no gradients."""

    def __init__(self, run: Runner, sizes: Sizes) -> None:
        self.sizes = sizes
        self._run = run
        channels, *cells = sizes.grid
        self._prompts: Any = SimpleNamespace(
            hidden_size=channels, image_embedding_size=tuple(cells)
        )

    def decode(
        self, embedding: Embedding, prompts: Prompts, guidance: Guidance | None, *, multimask: bool
    ) -> MaskLogits:
        """Answer prompts as :meth:`persam.models.base.Backbone.decode`; the guidance is checked."""
        check_embedding(embedding, self._prompts, self.sizes.extras)
        tokens = self._tokens(prompts, embedding.frame)
        maps = [embedding.features, *embedding.extras]
        asked = [*maps, *tokens, *self._guide(guidance)]
        logits, iou = self._run([tensor.detach() for tensor in asked])
        which = slice(1, None) if multimask else slice(0, 1)
        return MaskLogits(logits[0, which], iou[0, which])

    def _tokens(self, prompts: Prompts, frame: Frame) -> list[torch.Tensor]:
        """Points, labels, mask, and whether there is a mask, as the graph takes them."""
        asked = prompt_tensors(prompts, frame, self._prompts, CPU)
        points = asked.get("input_points", torch.zeros(1, 1, 0, 2))[0]
        labels = asked.get("input_labels", torch.zeros(1, 1, 0, dtype=torch.int64))[0]
        corners = asked.get("input_boxes", torch.zeros(1, 1, 0)).reshape(1, -1, 2)
        # Points alone are followed by a padding token; a box is, too, in some families.
        pads = 1 if prompts.box is None or self.sizes.pad_box else 0
        points = torch.cat([points, corners, torch.zeros(1, pads, 2)], dim=1)
        kinds = [*(CORNERS if prompts.box is not None else ()), *[PADDING] * pads]
        labels = torch.cat([labels, torch.tensor([kinds], dtype=torch.int64)], dim=1)
        side = 4 * self.sizes.grid[1]
        mask = asked.get("input_masks")
        if mask is None and self.sizes.sketch:
            from persam.models.pocket.network import sketch

            names = ("input_points", "input_labels", "input_boxes")
            drawn = (asked.get(name) for name in names)
            mask = sketch(*drawn, square=self.sizes.square, side=side)
        given = torch.tensor([float(mask is not None)])
        return [points, labels, torch.zeros(1, 1, side, side) if mask is None else mask, given]

    def _guide(self, guidance: Guidance | None) -> list[torch.Tensor]:
        """Guide, whether there is one, and target: zeros where there is none."""
        channels, rows, columns = self.sizes.grid
        guide = None if guidance is None else guidance.attention
        target = None if guidance is None else guidance.target
        if guidance is not None and guide is not None:
            guide = guide * guidance.alpha
        return [
            torch.zeros(1, 1, 1, rows * columns) if guide is None else guide,
            torch.tensor([float(guide is not None)]),
            torch.zeros(1, 1, channels) if target is None else target,
        ]
