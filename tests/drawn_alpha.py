"""Pictures whose true alpha is known: hair, fur and glass before a textured ground.

A scene is drawn at several times its size and averaged down, so that alpha is exact at pixel level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

KINDS = ("hair", "fur", "glass")
_COLOURS = {"hair": (96, 52, 20), "fur": (214, 186, 140), "glass": (70, 150, 130)}


@dataclass(frozen=True, eq=False)
class AlphaScene:
    """A picture and what it is made of.

    Attributes:
        image: ``(H, W, 3)`` uint8, ``alpha * colour + (1 - alpha) * ground``.
        alpha: ``(H, W)`` float32, 0..1.
        colour: ``(H, W, 3)`` uint8, of the object alone.
        ground: ``(H, W, 3)`` uint8, of what lies behind it.
    """

    image: np.ndarray
    alpha: np.ndarray
    colour: np.ndarray
    ground: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        """``(H, W)`` bool, the best that a hard mask can be."""
        return self.alpha > 0.5

    def coarse(self, cell: int) -> np.ndarray:
        """``(H, W)`` bool, the mask as a model with cells of so many pixels gives it."""
        height, width = self.alpha.shape
        small = Image.fromarray(self.alpha).resize(
            (max(1, width // cell), max(1, height // cell)), Image.Resampling.BOX
        )
        return np.array(small.resize((width, height), Image.Resampling.BILINEAR)) > 0.5


def draw(kind: str, side: int = 160, fine: int = 4) -> AlphaScene:
    """Draw one scene of ``side`` by ``side`` pixels, each averaged from ``fine`` by ``fine``."""
    rng = np.random.default_rng(0)
    alpha = _glass(side) if kind == "glass" else _strands(kind, side * fine, fine, rng)
    colour = np.clip(_texture(side, rng, 10) + np.array(_COLOURS[kind]), 0, 255)
    shade = np.linspace(-18, 18, side)
    ground = _texture(side, rng, 12) + np.array((60, 110, 190)) + shade[None, :, None]
    ground = np.clip(ground, 0, 255)
    image = alpha[..., None] * colour + (1 - alpha[..., None]) * ground
    return AlphaScene(*(_bytes(image), alpha, _bytes(colour), _bytes(ground)))


def _strands(kind: str, fine: int, times: int, rng: np.random.Generator) -> np.ndarray:
    """A disc with thin curved strands (hair) or a dense short fringe (fur)."""
    canvas = Image.new("L", (fine, fine), 0)
    pen = ImageDraw.Draw(canvas)
    middle, radius = fine / 2, fine * 0.26
    pen.ellipse([middle - radius] * 2 + [middle + radius] * 2, fill=255)
    count, reach = (140, 0.13) if kind == "hair" else (900, 0.045)
    for angle in rng.uniform(0, 2 * np.pi, count):
        bend = rng.normal(0, 0.35)
        steps = np.linspace(0, fine * reach * rng.uniform(0.5, 1.0), 8)
        turn = angle + bend * steps / (fine * reach)
        points = [
            (middle + (radius - 4 + s) * np.cos(a), middle + (radius - 4 + s) * np.sin(a))
            for s, a in zip(steps, turn, strict=True)
        ]
        pen.line(points, fill=255, width=max(2, fine // 320))
    return np.asarray(canvas.reduce(times), dtype=np.float32) / 255


def _glass(side: int) -> np.ndarray:
    """A bottle with clear edges: opaque in the middle, half see-through towards its rim."""
    down, right = np.mgrid[:side, :side] / side - 0.5
    distance = np.sqrt((right / 0.27) ** 2 + (down / 0.38) ** 2)
    wall = np.clip((1.0 - distance) / 0.3, 0, 1)
    return gaussian_filter(0.35 * (distance < 1) + 0.65 * wall, 0.6).astype(np.float32).clip(0, 1)


def _texture(side: int, rng: np.random.Generator, depth: float) -> np.ndarray:
    noise = gaussian_filter(rng.normal(0, 1, (side, side, 3)), (side / 24, side / 24, 0))
    return noise / noise.std() * depth


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.rint(values).astype(np.uint8)
