"""Stable-SAM's two plugins: where an attention looks, and how far that is trusted.

Both stand before the token-to-image attention of one decoder layer. The deformable sampling plugin
(DSP) moves every image feature to another place, by offsets that it reads off the features
themselves; the dynamic routing plugin (DRP) weighs moved against regular features, by the mask
token, which has seen the prompt. Which parts of that are known and which are chosen here:
docs/stable-sam.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import nn

from persam.errors import InputError

Routing = Literal["soft", "hard", "always"]
Asked = Literal["single", "mean"]
KERNEL = 5


@dataclass(frozen=True)
class StableOptions:
    """What the paper's figure and texts leave open.

    Attributes:
        reach: bound of the offsets, in cells of the feature grid; ``reach * tanh``. 0 moves nothing
            (the routing plugin alone).
        amplitudes: whether every moved feature has a weight of its own, 0..2.
        routing: ``"soft"`` mixes both features, ``"hard"`` takes the one of larger weight,
            ``"always"`` takes the moved ones (the sampling plugin alone).
        width: of the routing network's hidden layer.
        routed_by: what the routing looks at: the ``"single"`` mask's token, or the ``"mean"`` of
            all mask tokens.
    """

    reach: float = 8.0
    amplitudes: bool = True
    routing: Routing = "soft"
    width: int = 16
    routed_by: Asked = "single"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.reach) and self.reach >= 0 and self.width >= 1):
            raise InputError(
                f"A plugin reaches at least 0 cells and has a routing width of at least 1; got "
                f"{self.reach!r} and {self.width!r}."
            )
        for name, kinds in (("routing", get_args(Routing)), ("routed_by", get_args(Asked))):
            if getattr(self, name) not in kinds:
                raise InputError(
                    f"A plugin's {name} is one of {', '.join(kinds)}; got {getattr(self, name)!r}."
                )


class DeformableSampling(nn.Module):
    """The deformable sampling plugin; at its start every feature is its own sample."""

    def __init__(self, channels: int, options: StableOptions) -> None:
        super().__init__()
        self.reach = options.reach
        self.amplitudes = options.amplitudes
        # 1x1 convolutions, on cells that lie in a row
        self.project = nn.Linear(channels, channels)
        self.depthwise = nn.Conv2d(channels, channels, KERNEL, padding="same", groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.offsets = nn.Linear(channels, 3 if options.amplitudes else 2)
        nn.init.eye_(self.project.weight)
        for tensor in (self.project.bias, self.offsets.weight, self.offsets.bias):
            nn.init.zeros_(tensor)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """``(n, cells, c)`` of a square grid, row by row -> moved features, of the same shape."""
        side = math.isqrt(features.shape[1])
        projected = self.project(features)
        grid = projected.transpose(1, 2).unflatten(2, (side, side))
        near = self.depthwise(grid).flatten(2).transpose(1, 2)
        found = self.offsets(nn.functional.gelu(self.norm(near)))
        moved = sample(projected, self.reach * found[..., :2].tanh())
        return moved * (2 * found[..., 2:].sigmoid()) if self.amplitudes else moved


class Router(nn.Module):
    """The dynamic routing plugin: a token -> what share the moved features have; 1/2 at first."""

    def __init__(self, channels: int, width: int, *, hard: bool) -> None:
        super().__init__()
        self.hard = hard
        self.hidden = nn.Linear(channels, width)
        self.norm = nn.LayerNorm(width)
        self.shares = nn.Linear(width, 2)
        nn.init.zeros_(self.shares.weight)
        nn.init.zeros_(self.shares.bias)

    def forward(self, token: torch.Tensor) -> torch.Tensor:
        """``(n, c)`` -> ``(n, 2)``, shares of moved and regular features, which add up to 1."""
        hidden = nn.functional.gelu(self.norm(self.hidden(token)))
        soft = self.shares(hidden).softmax(dim=-1)
        if not self.hard:
            return soft
        one = nn.functional.one_hot(soft.argmax(dim=-1), 2).to(soft.dtype)
        return one + soft - soft.detach()  # the gradient is the soft one's


class StableParts(nn.Module):
    """Both plugins of one decoder layer.

    Attributes:
        channels: of the decoder.
        options: see :class:`Options`.
    """

    def __init__(self, channels: int, options: StableOptions | None = None) -> None:
        super().__init__()
        self.channels = channels
        self.options = options or StableOptions()
        self.sampling = DeformableSampling(channels, self.options)
        self.router: Router | None = None
        if self.options.routing != "always":
            hard = self.options.routing == "hard"
            self.router = Router(channels, self.options.width, hard=hard)

    @property
    def count(self) -> int:
        """How many parameters there are."""
        return sum(parameter.numel() for parameter in self.parameters())

    def forward(self, tokens: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """What the tokens attend to instead of the features.

        Args:
            tokens: ``(n, k, c)`` mask tokens as they are before the attention, the single mask's
                first.
            features: ``(n, cells, c)`` of a square grid, row by row.

        Returns:
            ``(n, cells, c)``; the features themselves, bit by bit, before any training.
        """
        moved = self.sampling(features)
        if self.router is None:
            return moved
        token = tokens[:, 0] if self.options.routed_by == "single" else tokens.mean(1)
        share = self.router(token)[:, :1, None]
        # The shares add up to 1; written so, equal features stay what they are to the last bit.
        return features + share * (moved - features)


def sample(features: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Read every cell's feature elsewhere, bilinearly; beyond the border lies the border.

    Unlike ``grid_sample`` it counts in cells, so that whole offsets are exact.

    Args:
        features: ``(n, cells, c)`` of a square grid, row by row.
        offsets: ``(n, cells, 2)``, ``(x, y)`` in cells.

    Example:
        >>> features = torch.tensor([[[1.0], [2.0], [3.0], [4.0]]])
        >>> offsets = torch.tensor([[[0.5, 0.0], [0.0, 1.0], [0.0, 0.0], [-9.0, -9.0]]])
        >>> sample(features, offsets).flatten().tolist()
        [1.5, 4.0, 3.0, 1.0]
    """
    count, cells, _ = features.shape
    side = math.isqrt(cells)
    place = torch.arange(cells, device=features.device)
    base = torch.stack([place % side, place // side], dim=1)
    target = (base + offsets).clamp(0, side - 1)
    low = target.detach().floor().clamp(max=max(side - 2, 0))
    part = target - low
    x0, y0 = low.long().unbind(-1)
    rows = torch.arange(count, device=features.device)[:, None] * cells
    step = min(1, side - 1)
    flat = features.flatten(0, 1)

    def at(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return flat.index_select(0, (rows + y * side + x).flatten()).view_as(features)

    px, py = part[..., :1], part[..., 1:]
    above = at(y0, x0) * (1 - px) + at(y0, x0 + step) * px
    below = at(y0 + step, x0) * (1 - px) + at(y0 + step, x0 + step) * px
    return above * (1 - py) + below * py
