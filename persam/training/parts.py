"""Objects -> parts of them, as targets that teach the decoder what scale a prompt is about.

A part is a cluster of pixels that are near each other and alike in colour, so that its edges follow
the picture's where they can.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

ROUNDS = 4
COLOUR_WEIGHT = 2.0  # a step from black to white counts as this many widths of the object
SMALLEST, LARGEST = 0.1, 0.75  # share of the object; else the whole object stays the target


def part(truth: torch.Tensor, pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """One part of each object, by k-means over place and colour.

    Args:
        truth: ``(n, m, m)`` in 0..1; more than 0.5 is object.
        pixels: ``(n, 3, m, m)`` in -1..1.
        generator: the only source of chance; on the tensors' device.

    Returns:
        ``(n, m, m)``: ``truth`` within the part and 0 outside; all of ``truth`` where a part would
        be no more than a crumb or nearly everything.
    """
    n, side = len(truth), truth.shape[-1]
    inside = truth > 0.5
    weights = inside.flatten(1).float()
    empty = weights.sum(1, keepdim=True) == 0
    axis = torch.linspace(0, 1, side, device=truth.device)
    places = torch.stack(torch.meshgrid(axis, axis, indexing="ij")).expand(n, -1, -1, -1)
    extent = weights.mean(1).clamp(min=1e-3).sqrt().view(-1, 1, 1, 1)
    smooth = F.avg_pool2d(pixels, 3, 1, 1)
    values = torch.cat([places / extent, smooth * (COLOUR_WEIGHT / 2)], dim=1).flatten(2)
    count = 2 + int(torch.randint(3, (), generator=generator, device=generator.device))
    seeds = torch.multinomial(weights + empty, count, replacement=True, generator=generator)
    centres = torch.stack([v[:, s].T for v, s in zip(values, seeds, strict=True)])
    points = values.transpose(1, 2)
    label = seeds
    for _ in range(ROUNDS):
        label = torch.cdist(points, centres).argmin(2)
        member = F.one_hot(label, count).float() * weights[..., None]
        sums = member.sum(1)[..., None]
        means = member.transpose(1, 2) @ points / sums.clamp(min=1)
        centres = torch.where(sums > 0, means, centres)
    chosen = torch.randint(count, (n, 1), generator=generator, device=generator.device)
    found = _smooth(((label == chosen).float() * weights).view_as(truth)) * inside
    share = found.flatten(1).sum(1) / weights.sum(1).clamp(min=1)
    fit = ((share > SMALLEST) & (share < LARGEST)).view(-1, 1, 1)
    return torch.where(fit, truth * found, truth)


def _smooth(mask: torch.Tensor) -> torch.Tensor:
    """Without specks: the majority of every 5 x 5 neighbourhood."""
    return (F.avg_pool2d(mask[:, None], 5, 1, 2)[:, 0] > 0.4).float()
