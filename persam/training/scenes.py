"""Pictures with one marked object each -> scenes with several, so that a prompt has to decide.

Every picture of a batch is the ground of one scene and may be laid into two others, cut out along
its object or whole as a tile. The object is thus seen twice, which gives episodes their reference.
Some scenes are kept whole, as photos with many annotated things are (:func:`kept_whole`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from persam.training.annotated import PhotoCrop

LAYERS = 2
NONE, CUTOUT, TILE = 0, 1, 2
KIND_SHARES = (0.35, 0.45, 0.20)
WHOLE_SHARE = 0.35  # of the pictures into which nothing is laid
BESIDE_SHARE = 0.5  # of the cut-outs that are laid where the ground's own object is
LOOKALIKE_SHARE = 0.6  # of the pictures beside a mate of their class: how often it is laid in
# Tiles cover a half or a quarter of the scene: (centre x, centre y, half width, half height), -1..1
TILES = torch.tensor(
    [[-0.5, 0, 0.5, 1], [0.5, 0, 0.5, 1], [0, -0.5, 1, 0.5], [0, 0.5, 1, 0.5]]
    + [[x, y, 0.5, 0.5] for x in (-0.5, 0.5) for y in (-0.5, 0.5)]
)


@dataclass(frozen=True, eq=False)
class Scenes:
    """A batch of scenes.

    Attributes:
        pixels: ``(b, 3, s, s)`` in -1..1.
        objects: ``(b, k, s, s)`` in 0..1, what can be seen of each thing: of the ground's own
            object and of each laid-in one, or of a photo's annotated things.
        sources: ``(b, k)``, a number for the object as it is, in whatever picture; -1 for none.
        classes: ``(b, k)``, a number for the class of each.
        usable: ``(b, k)`` bool, whether enough of it is seen to be asked for.
        ignored: ``(b, s, s)`` bool, where nothing is judged.
    """

    pixels: torch.Tensor
    objects: torch.Tensor
    sources: torch.Tensor
    classes: torch.Tensor
    usable: torch.Tensor
    ignored: torch.Tensor


def joined(first: Scenes, second: Scenes) -> Scenes:
    """Two batches as one; the one with fewer objects a scene gets empty ones."""
    slots = max(first.objects.shape[1], second.objects.shape[1])

    def together(name: str, fill: float) -> torch.Tensor:
        parts = []
        for tensor in (getattr(first, name), getattr(second, name)):
            missing = slots - tensor.shape[1]
            padding = [0, 0] * (tensor.ndim - 2) + [0, missing]
            parts.append(F.pad(tensor, padding, value=fill))
        return torch.cat(parts)

    return Scenes(
        torch.cat([first.pixels, second.pixels]),
        together("objects", 0.0),
        together("sources", -1),
        together("classes", -1),
        together("usable", 0).bool(),
        torch.cat([first.ignored, second.ignored]),
    )


def kept_whole(
    crops: Sequence[PhotoCrop],
    photos: Sequence[int],
    classes: Mapping[str, int],
    generator: torch.Generator,
) -> Scenes:
    """Annotated photos as they are, but for their colours.

    Args:
        crops: at least one.
        photos: a number for the photo of each.
        classes: label -> number, below 0 and other than the other scenes' classes.
        generator: the only source of chance.
    """
    side, slots = crops[0].pixels.shape[0], max(len(crop.labels) for crop in crops)
    device = generator.device
    pixels = torch.from_numpy(np.stack([crop.pixels for crop in crops])).to(device)
    objects = torch.zeros(len(crops), max(slots, 1), side, side, device=device)
    known = torch.full((len(crops), max(slots, 1)), -1, device=device)
    kinds = known.clone()
    for row, (crop, photo) in enumerate(zip(crops, photos, strict=True)):
        count = len(crop.labels)
        objects[row, :count] = torch.from_numpy(crop.objects).to(device) / 255
        for slot, (label, number) in enumerate(zip(crop.labels, crop.numbers, strict=True)):
            kinds[row, slot] = classes[label]
            known[row, slot] = -2 - 256 * photo - number  # the same in another crop of the photo
    usable = kinds != -1
    coloured = _jitter(pixels.permute(0, 3, 1, 2).float() / 255, generator)
    ignored = torch.from_numpy(np.stack([crop.ignored for crop in crops])).to(device)
    return Scenes(coloured * 2 - 1, objects, known, kinds, usable, ignored)


def compose(
    pictures: torch.Tensor, masks: torch.Tensor, classes: torch.Tensor, generator: torch.Generator
) -> Scenes:
    """Lay a batch of pictures into each other.

    Args:
        pictures: ``(b, 3, s, s)`` in 0..1.
        masks: ``(b, 1, s, s)`` in 0..1.
        classes: ``(b,)`` a number for the class of each; mates follow each other.
        generator: the only source of chance; on the pictures' device.
    """
    count = len(pictures)
    pictures = _jitter(pictures, generator)
    ground = _warp(pictures, masks, _crop(count, generator), "border")
    scene, seen, whole = ground[:, :3], [ground[:, 3:]], [ground[:, 3:]]
    sources = [torch.arange(count, device=pictures.device)]
    shares = torch.tensor(KIND_SHARES, device=pictures.device)
    boxes = _boxes(ground[:, 3])
    whole_scenes = _uniform(count, generator) < WHOLE_SHARE
    for number in range(LAYERS):
        # A rotation of the batch by at least one never lays a picture into itself.
        order = (sources[0] + 1 + int(_uniform(1, generator) * (count - 1))) % count
        kinds = torch.multinomial(shares, count, True, generator=generator)
        if number == LAYERS - 1:  # the last layer is never covered
            order, alike = _lookalikes(order, classes, generator)
            kinds = torch.where(alike, kinds.clamp(min=CUTOUT), kinds)
        kinds = kinds.masked_fill(whole_scenes, NONE)
        places = torch.where(
            (kinds == TILE)[:, None], _tiles(count, generator), _loose(boxes, generator)
        )
        layer, alpha = _layer(pictures[order], masks[order], kinds, places, generator)
        scene = scene * (1 - alpha) + layer[:, :3] * alpha
        seen = [mask * (1 - alpha) for mask in seen] + [layer[:, 3:] * alpha]
        whole.append(layer[:, 3:])
        sources.append(order)
    objects = torch.cat(seen, dim=1)
    area = objects.mean((2, 3))
    usable = (area > 0.004) & (area > 0.4 * torch.cat(whole, dim=1).mean((2, 3)))
    origins = torch.stack(sources, dim=1)
    nowhere = torch.zeros_like(scene[:, 0], dtype=torch.bool)
    return Scenes(scene * 2 - 1, objects, origins, classes[origins], usable, nowhere)


def _lookalikes(
    order: torch.Tensor, classes: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Put mates of one class into each other's scenes.

    Returns:
        ``(b,)`` which picture is laid into each scene, and ``(b,)`` bool where that is a mate.
    """
    alike = classes[:, None] == classes
    alike.fill_diagonal_(False)
    wanted = _uniform(len(order), generator) < LOOKALIKE_SHARE
    mated = alike.any(1) & wanted
    return torch.where(mated, alike.float().argmax(1), order), mated


def _tiles(count: int, generator: torch.Generator) -> torch.Tensor:
    """``(count, 4)`` places of tiles: centre x, centre y, half width, half height."""
    which = torch.randint(len(TILES), (count,), generator=generator, device=generator.device)
    return TILES.to(generator.device)[which]


def _loose(boxes: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """``(b, 4)`` places of cut-outs: anywhere, or by the ground's own object, in its ``boxes``.

    What a person holds or leans on is within the box of their object; only scenes in which other
    things are there too teach that a box is not the answer.
    """
    count = len(boxes)
    beside = (_uniform(count, generator) < BESIDE_SHARE)[:, None]
    scale = 0.35 + 0.55 * _uniform(count, generator)[:, None]
    anywhere = (_uniform(2 * count, generator).view(count, 2) - 0.5) * 1.2
    within = boxes[:, :2] + (_uniform(2 * count, generator).view(count, 2) - 0.5) * boxes[:, 2:]
    centre = torch.where(beside, within, anywhere)
    scale = torch.where(beside, 0.7 * scale, scale)
    return torch.cat([centre, scale, scale], dim=1)


def _boxes(masks: torch.Tensor) -> torch.Tensor:
    """``(b, 4)`` centre x, centre y, width and height in -1..1 of the boxes of ``(b, s, s)``."""
    side = masks.shape[-1]
    axis = (torch.arange(side, device=masks.device) + 0.5) / side * 2 - 1
    ends = []
    for line in ((masks > 0.5).any(1), (masks > 0.5).any(2)):  # columns, rows
        low = torch.where(line, axis, 1.0).amin(1)
        ends.append((low, torch.where(line, axis, -1.0).amax(1)))
    (x0, x1), (y0, y1) = ends
    return torch.stack([(x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0), (y1 - y0)], dim=1)


def _layer(
    pictures: torch.Tensor,
    masks: torch.Tensor,
    kinds: torch.Tensor,
    places: torch.Tensor,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    count, side = len(pictures), pictures.shape[-1]
    is_tile = (kinds == TILE)[:, None]
    layer = _warp(pictures, masks, _place(places, generator), "zeros")
    # Soft edges, or else the decoder learns to look for scissors.
    coarse = F.avg_pool2d(layer[:, 3:], 4)
    soft = F.interpolate(coarse, (side, side), mode="bilinear", align_corners=False)
    blend = _uniform(count, generator).view(-1, 1, 1, 1)
    cutout = blend * soft + (1 - blend) * layer[:, 3:]
    alpha = torch.where(is_tile[:, :, None, None], _rectangle(places, side), cutout)
    return layer, alpha * (kinds != NONE).float().view(-1, 1, 1, 1)


def _rectangle(tiles: torch.Tensor, side: int) -> torch.Tensor:
    axis = (torch.arange(side, device=tiles.device) + 0.5) / side * 2 - 1
    inside_x = (axis[None] - tiles[:, :1]).abs() < tiles[:, 2:3]
    inside_y = (axis[None] - tiles[:, 1:2]).abs() < tiles[:, 3:4]
    return (inside_y[:, :, None] & inside_x[:, None, :]).float()[:, None]


def _crop(count: int, generator: torch.Generator) -> torch.Tensor:
    """Random part of a picture, turned a little, mirrored half of the time."""
    zoom = 1 / (1 + 0.6 * _uniform(count, generator))
    stretch = torch.exp((_uniform(count, generator) - 0.5) * 0.4)
    shift = (_uniform(2 * count, generator).view(count, 2) * 2 - 1) * (1 - zoom)[:, None]
    angle = (_uniform(count, generator) - 0.5) * (math.pi / 9)
    mirror = torch.where(_uniform(count, generator) < 0.5, -1.0, 1.0)
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    rows = torch.stack([cos * mirror * stretch, -sin, shift[:, 0]], dim=1)
    return torch.stack([rows, torch.stack([sin * mirror, cos / stretch, shift[:, 1]], 1)], dim=1)


def _place(boxes: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The whole picture within a box ``(centre x, centre y, half width, half height)``."""
    mirror = torch.where(_uniform(len(boxes), generator) < 0.5, -1.0, 1.0)
    x_scale, y_scale = mirror / boxes[:, 2], 1 / boxes[:, 3]
    zero = torch.zeros_like(x_scale)
    rows = torch.stack([x_scale, zero, -boxes[:, 0] * x_scale], dim=1)
    return torch.stack([rows, torch.stack([zero, y_scale, -boxes[:, 1] * y_scale], 1)], dim=1)


def _warp(
    pictures: torch.Tensor, masks: torch.Tensor, theta: torch.Tensor, padding: str
) -> torch.Tensor:
    both = torch.cat([pictures, masks], dim=1)
    grid = F.affine_grid(theta, list(both.shape), align_corners=False)
    return F.grid_sample(both, grid, padding_mode=padding, align_corners=False)


def _jitter(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Brightness, contrast, saturation and a colour cast, each picture its own."""

    def around_one(spread: float) -> torch.Tensor:
        return 1 + (_uniform(len(pictures), generator).view(-1, 1, 1, 1) * 2 - 1) * spread

    cast = 1 + (_uniform(3 * len(pictures), generator).view(-1, 3, 1, 1) * 2 - 1) * 0.08
    grey = pictures.mean(1, keepdim=True)
    coloured = grey + (pictures - grey) * around_one(0.4)
    level = coloured.mean((1, 2, 3), keepdim=True)
    contrasted = level + (coloured - level) * around_one(0.3)
    return (contrasted * around_one(0.25) * cast).clamp(0, 1)


def _uniform(count: int, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(count, generator=generator, device=generator.device)
