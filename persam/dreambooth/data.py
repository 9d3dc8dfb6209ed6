"""Pictures -> what a training step takes of them: latents, loss weights, conditions.

Everything is encoded once, at the start. Which picture a step shows, and with which noise, follows
from the seed and the step's number alone, so that a run that was stopped goes on as it would have.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from persam.dreambooth.components import Condition
from persam.dreambooth.masks import Crop, latent_mask, square_round
from persam.dreambooth.subject import read_caption
from persam.io.images import read_image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from persam.dreambooth.components import Base
    from persam.dreambooth.subject import SubjectFolder


@dataclass(frozen=True, eq=False)
class Item:
    """One picture, ready for training.

    Attributes:
        name: of the picture.
        mean: ``(c, h, w)`` of the latents.
        std: likewise; latents are drawn anew in every step.
        mask: ``(1, h, w)`` loss weights, 0..1.
        condition: its prompt and sizes, of one picture.
    """

    name: str
    mean: torch.Tensor
    std: torch.Tensor
    mask: torch.Tensor
    condition: Condition

    def facts(self) -> dict[str, object]:
        """What a log says of the loss weights: cells, how many count, and their fingerprint."""
        return {
            "name": self.name,
            "cells": self.mask.numel(),
            "trained_cells": int((self.mask > 0).sum()),
            "weight": round(float(self.mask.mean()), 6),
            "mask_sha256": hashlib.sha256(self.mask.numpy().tobytes()).hexdigest(),
        }


def subject_items(subject: SubjectFolder, base: Base, side: int) -> list[Item]:
    """Encode a subject's photos, of each the square round the subject.

    Args:
        subject: the folder.
        base: encodes.
        side: of the square after scaling, in pixels.

    Raises:
        InputError: a file cannot be read.
    """
    encoder = _Encoder(base, side, hard=subject.hard)
    items = []
    for photo in subject.photos:
        image, weights = subject.read(photo)
        caption = read_caption(subject.caption(photo))
        items.append(encoder.item(photo.name, image, weights, caption))
    return items


def class_items(pictures: Sequence[Path], prompt: str, base: Base, side: int) -> list[Item]:
    """Encode pictures of the class, of each the middle square; all of it counts."""
    encoder = _Encoder(base, side, hard=True)
    items = []
    for path in pictures:
        image = read_image(path)
        everything = np.full(image.shape[:2], 255, dtype=np.uint8)
        items.append(encoder.item(path.stem, image, everything, prompt))
    return items


class _Encoder:
    """Pictures and prompts to items; a prompt is encoded once."""

    def __init__(self, base: Base, side: int, *, hard: bool) -> None:
        self.base, self.side, self.hard = base, side, hard
        self.prompts: dict[str, Condition] = {}

    def item(self, name: str, image: np.ndarray, weights: np.ndarray, prompt: str) -> Item:
        if prompt not in self.prompts:
            self.prompts[prompt] = self.base.prompt(prompt)
        view = square_round(weights)
        rows = slice(view.top, view.top + view.side)
        columns = slice(view.left, view.left + view.side)
        small = Image.fromarray(image[rows, columns]).resize(
            (self.side, self.side), Image.Resampling.LANCZOS
        )
        pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1).float() / 127.5 - 1
        mean, std = self.base.latents(pixels[None])
        size = (mean.shape[2], mean.shape[3])
        mask = latent_mask(np.ascontiguousarray(weights[rows, columns]), size, hard=self.hard)
        text = self.prompts[prompt]
        condition = Condition(text.states, text.pooled, self._times(image.shape[:2], view))
        return Item(name, mean[0], std[0], mask, condition)

    def _times(self, size: tuple[int, int], view: Crop) -> torch.Tensor | None:
        """SDXL's sizes: of the picture, the crop's corner when scaled, and of the target."""
        if not self.base.xl:
            return None
        factor = self.side / view.side
        corner = round(view.top * factor), round(view.left * factor)
        numbers = [*size, *corner, self.side, self.side]
        return torch.tensor([numbers], dtype=torch.float32, device=self.base.device)


def deal(count: int, batch: int, step: int, seed: int) -> list[int]:
    """Which pictures a step shows: all in a new order each round, before any comes again.

    Example:
        >>> sorted(deal(4, 2, 0, seed=1) + deal(4, 2, 1, seed=1))
        [0, 1, 2, 3]
    """
    chosen = []
    for position in range(step * batch, (step + 1) * batch):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + position // count)
        chosen.append(int(torch.randperm(count, generator=generator)[position % count]))
    return chosen


def gather(items: Sequence[Item], generator: torch.Generator) -> tuple[torch.Tensor, Condition]:
    """Draw the latents of some pictures, and stack their conditions.

    Returns:
        ``(n, c, h, w)`` scaled latents, and the conditioning of the U-Net.
    """
    mean = torch.stack([item.mean for item in items])
    std = torch.stack([item.std for item in items])
    latents = mean + std * torch.randn(mean.shape, generator=generator)
    parts = [item.condition for item in items]
    states = torch.cat([part.states for part in parts])
    pooled = [part.pooled for part in parts if part.pooled is not None]
    times = [part.times for part in parts if part.times is not None]
    joined = [torch.cat(part) if part else None for part in (pooled, times)]
    return latents, Condition(states, *joined)
