"""Asks a decoder that runs outside torch: prompts and guidance in, mask logits out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from persam.models.prompting import check_embedding, prompt_arrays
from persam.models.runtime.drawn_prompts import draw_prompts
from persam.structures import MaskLogits

if TYPE_CHECKING:
    from persam.models.prompting import DecoderSizes
    from persam.models.runtime.choice import Runner
    from persam.structures import Embedding, Frame, Guidance, Prompts

PADDING = -1  # label of the token that stands for "no further point"
CORNERS = (2, 3)  # labels of a box's corners


class ConvertedDecoder:
    """A decoder graph (``decoder_graph.py``) in an engine."""

    def __init__(self, run: Runner, sizes: DecoderSizes) -> None:
        self.sizes = sizes
        self._run = run

    def decode(
        self, embedding: Embedding, prompts: Prompts, guidance: Guidance | None, *, multimask: bool
    ) -> MaskLogits:
        """Answer prompts as :meth:`persam.models.base.Backbone.decode`; the guidance is checked."""
        check_embedding(embedding, self.sizes)
        asked = self._prompts(prompts, embedding.frame)
        logits, iou = self._run([*embedding.decoder_maps, *asked, *self._guide(guidance)])
        which = slice(1, None) if multimask else slice(0, 1)
        return MaskLogits(logits[0, which], iou[0, which])

    def _prompts(self, prompts: Prompts, frame: Frame) -> list[np.ndarray]:
        """Points, labels, mask, and whether there is a mask, as the graph takes them."""
        asked = prompt_arrays(prompts, frame, self.sizes)
        points = asked.get("input_points", np.zeros((1, 1, 0, 2), np.float32))[0]
        labels = asked.get("input_labels", np.zeros((1, 1, 0), np.int64))[0]
        corners = asked.get("input_boxes", np.zeros((1, 1, 0), np.float32)).reshape(1, -1, 2)
        # Points alone are followed by a padding token; a box is, too, in some families.
        pads = 1 if prompts.box is None or self.sizes.pad_box else 0
        blank = np.zeros((1, pads, 2), np.float32)
        kinds = [*(CORNERS if prompts.box is not None else ()), *[PADDING] * pads]
        side, mask = self.sizes.mask_side, asked.get("input_masks")
        if mask is None and self.sizes.sketch:
            mask = draw_prompts(points[0], labels[0], corners.reshape(-1), self.sizes.square, side)
        given = np.array([float(mask is not None)], np.float32)
        return [
            np.concatenate([points, corners, blank], axis=1),
            np.concatenate([labels, np.array([kinds], np.int64).reshape(1, -1)], axis=1),
            np.zeros((1, 1, side, side), np.float32) if mask is None else mask.astype(np.float32),
            given,
        ]

    def _guide(self, guidance: Guidance | None) -> list[np.ndarray]:
        """Guide, whether there is one, and target: zeros where there is none."""
        channels, rows, columns = self.sizes.grid
        guide = None if guidance is None else guidance.attention
        target = None if guidance is None else guidance.target
        if guidance is not None and guide is not None:
            guide = (guide * guidance.alpha).astype(np.float32)
        return [
            np.zeros((1, 1, 1, rows * columns), np.float32) if guide is None else guide,
            np.array([float(guide is not None)], np.float32),
            np.zeros((1, 1, channels), np.float32) if target is None else target,
        ]
