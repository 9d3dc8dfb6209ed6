"""Scenes -> what is asked for, what it looked like elsewhere, and the prompts that ask.

An episode is one object of one scene together with a reference: another picture's object of the
same class, where the scene shows one of that class alone; another scene that shows the same object;
or the scene itself where there is neither. Some episodes ask for an object that is not in their
scene. The location prior is worked out from the model's real matching features. Between two
pictures it is as wrong as in use; where the reference is a view of the same photo, some channels
are dropped and strange objects mixed in, since such views match far better than two photos of one
object do. Then blobs of it are lost, islands appear, it moves or blurs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from persam.training import similarity

if TYPE_CHECKING:
    from persam.models.pocket.encoder import Features
    from persam.training.scenes import Scenes

ABSENT_SHARE = 0.1
CLASS_SHARE = 0.6  # of the episodes whose class another picture shows: how often that is shown
LOST, ISLANDS, MOVED, BLURRED = 0.4, 0.35, 0.2, 0.2  # how often a prior is spoilt in which way
OTHERS_SPOILT = 0.35  # of that where the reference is not the searched scene itself
CONTRAST = 0.5
SMOOTHING = 0.5


@dataclass(frozen=True, eq=False)
class Episodes:
    """``n`` questions about a batch of scenes.

    Attributes:
        scene: ``(n,)`` which scene is asked about.
        truth: ``(n, s, s)`` in 0..1; all 0 where the object is absent.
        prior: ``(n, h, w)`` location prior on the feature grid, standardised.
        target: ``(n, c)`` mean mask feature of the reference's object.
    """

    scene: torch.Tensor
    truth: torch.Tensor
    prior: torch.Tensor
    target: torch.Tensor


def draw(
    scenes: Scenes, features: Features, per_scene: int, generator: torch.Generator
) -> Episodes:
    """Ask ``per_scene`` questions about every scene that shows anything.

    Args:
        scenes: ``b`` of them.
        features: the model's, of those scenes.
        per_scene: questions a scene.
        generator: the only source of chance.
    """
    grid = features.matching.shape[2:]
    cells = _cells(scenes.objects, grid)
    scene_index, truths, priors, targets = [], [], [], []
    for scene in range(len(scenes.pixels)):
        slots = scenes.usable[scene].nonzero().flatten()
        for _ in range(per_scene if len(slots) else 0):
            slot = int(slots[_integer(len(slots), generator)])
            truth = scenes.objects[scene, slot]
            where = _reference(scenes, scene, slot, generator)
            # The first is never absent, so that no batch is without an object.
            if _chance(generator) < ABSENT_SHARE and truths:
                stranger = _stranger(scenes, scene, generator)
                if stranger is not None:
                    where, truth = stranger, torch.zeros_like(truth)
            reference, kept = where[0], cells[where]
            strange = scenes.sources[where] != scenes.sources[scene, slot]
            clean = 1.0 if bool(strange) else 0.0
            prior = _prior(features.matching, scene, (reference, kept, clean), generator)
            often = 1.0 if where == (scene, slot) else OTHERS_SPOILT
            priors.append(spoilt(prior, cells[scene, slot], generator, often))
            targets.append(features.mask[reference].float()[:, kept].mean(1))
            scene_index.append(scene)
            truths.append(truth)
    index = torch.tensor(scene_index, device=cells.device)
    return Episodes(index, torch.stack(truths), torch.stack(priors), torch.stack(targets))


def targets(
    scenes: Scenes, per_scene: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Objects to ask for by point or box: ``(n,)`` their scenes, ``(n, s, s)`` their masks."""
    chosen = [
        (scene, int(slots[_integer(len(slots), generator)]))
        for scene, usable in enumerate(scenes.usable)
        if len(slots := usable.nonzero().flatten())
        for _ in range(per_scene)
    ]
    rows, slots = torch.tensor(chosen, device=scenes.objects.device).T
    return rows, scenes.objects[rows, slots]


def _cells(objects: torch.Tensor, grid: torch.Size) -> torch.Tensor:
    share = F.interpolate(objects, grid, mode="area")
    return share >= share.amax((2, 3), keepdim=True).clamp(max=0.5)


def _reference(
    scenes: Scenes, scene: int, slot: int, generator: torch.Generator
) -> tuple[int, int]:
    """Another place where the same object can be seen, else this one.

    Where the scene shows one object of its class alone, mostly another object of that class.
    """
    same = (scenes.sources == scenes.sources[scene, slot]) & scenes.usable
    alike = (scenes.classes == scenes.classes[scene, slot]) & scenes.usable
    alone = int(alike[scene].sum()) == 1
    alike &= scenes.sources != scenes.sources[scene, slot]
    alike[scene] = same[scene] = False
    if alone and bool(alike.any()) and _chance(generator) < CLASS_SHARE:
        same = alike
    places = same.nonzero()
    if not len(places):
        return scene, slot
    place = places[_integer(len(places), generator)]
    return int(place[0]), int(place[1])


def _stranger(scenes: Scenes, scene: int, generator: torch.Generator) -> tuple[int, int] | None:
    """An object of a class that this scene does not show."""
    here = set(scenes.classes[scene].tolist())
    usable = scenes.usable.nonzero().tolist()
    others = [(i, k) for i, k in usable if int(scenes.classes[i, k]) not in here]
    return others[_integer(len(others), generator)] if others else None


def _prior(
    matching: torch.Tensor,
    scene: int,
    reference: tuple[int, torch.Tensor, float],
    generator: torch.Generator,
) -> torch.Tensor:
    """``(h, w)``: cosine to the mean plus half of the contrast, standardised.

    Made hard where the reference is the same object; ``reference`` is scene, cells and how little.
    """
    index, cells, clean = reference
    keep = max(clean, 0.08 + 0.9 * _chance(generator) ** 2)
    draws = torch.rand(matching.shape[1], generator=generator, device=generator.device)
    channels = draws < keep
    channels[0] = True
    searched, known = matching[scene][channels], matching[index][channels]
    stranger = matching[_integer(len(matching), generator)][channels]
    y, x = _integer(stranger.shape[1], generator), _integer(stranger.shape[2], generator)
    share = 0.5 * (1 - clean) * _chance(generator) ** 2
    target = F.normalize(similarity.pool(known, cells, "mean"), dim=0)
    mixed = F.normalize(target + share * F.normalize(stranger[:, y, x], dim=0), dim=0)
    on, off = (similarity.unit_vectors(known, which) for which in (cells, ~cells))
    contrast = similarity.contrast(searched, on, off)
    found = similarity.cosine(searched, mixed) + CONTRAST * contrast
    return similarity.standardise(similarity.smooth(found, SMOOTHING))


def spoilt(
    prior: torch.Tensor, cells: torch.Tensor, generator: torch.Generator, often: float = 1.0
) -> torch.Tensor:
    """A location prior with holes, islands, moved or blurred; standardised again.

    Args:
        prior: ``(h, w)``, standardised.
        cells: ``(h, w)`` bool, the object's.
        generator: the only source of chance.
        often: factor of how often each way is taken.
    """
    found = prior
    if _chance(generator) < often * BLURRED:
        found = similarity.smooth(similarity.smooth(found, 1.0), _chance(generator))
    if _chance(generator) < often * MOVED:
        steps = (_integer(3, generator) - 1, _integer(3, generator) - 1)
        found = found.roll(steps, (0, 1))
    if _chance(generator) < often * LOST:
        hole = _blob(cells, generator)
        found = found * (1 - hole) - 0.5 * hole
    for _ in range(_integer(3, generator) if _chance(generator) < often * ISLANDS else 0):
        height = float(found.amax()) * (0.3 + 0.7 * _chance(generator))
        found = torch.maximum(found, height * _blob(~cells, generator) ** 2)
    return similarity.standardise(found)


def _blob(where: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """``(h, w)`` in 0..1, round about one of the cells."""
    weights = where.flatten().float()
    weights = weights + (weights.sum() == 0)
    index = int(torch.multinomial(weights, 1, generator=generator))
    height, width = where.shape
    rows = torch.arange(height, device=where.device)[:, None] - index // width
    columns = torch.arange(width, device=where.device) - index % width
    stretch = 0.5 + 1.5 * _chance(generator)
    spread = 0.8 + 3 * _chance(generator) ** 2
    return torch.exp(-(rows**2 * stretch + columns**2 / stretch) / (2 * spread**2))


def _integer(below: int, generator: torch.Generator) -> int:
    return int(torch.randint(below, (), generator=generator, device=generator.device))


def _chance(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator, device=generator.device))
