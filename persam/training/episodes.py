"""Scenes -> what is asked for, what it looked like elsewhere, and the prompts that ask.

An episode is one object of one scene together with a reference: another scene that shows the same
picture's object, or the scene itself where there is none; now and then another picture's object of
the same class. Some episodes ask for an object that is not in their scene. The location prior is
worked out from the model's real matching features; some of their channels are dropped and strange
objects mixed in, because two views of one photo match far better than two photos of one object do.
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

ABSENT_SHARE = 0.12
CLASS_SHARE = 0.5  # of the episodes whose class another picture shows: how often that is shown
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
            priors.append(_prior(features.matching, scene, (reference, kept), generator))
            targets.append(features.mask[reference].float()[:, kept].mean(1))
            scene_index.append(scene)
            truths.append(truth)
    index = torch.tensor(scene_index, device=cells.device)
    return Episodes(index, torch.stack(truths), torch.stack(priors), torch.stack(targets))


def _cells(objects: torch.Tensor, grid: torch.Size) -> torch.Tensor:
    share = F.interpolate(objects, grid, mode="area")
    return share >= share.amax((2, 3), keepdim=True).clamp(max=0.5)


def _reference(
    scenes: Scenes, scene: int, slot: int, generator: torch.Generator
) -> tuple[int, int]:
    """Another place where the same picture's object can be seen, else this one.

    Where the scene shows one object of its class alone, sometimes another object of that class.
    """
    same = (scenes.sources == scenes.sources[scene, slot]) & scenes.usable
    alike = (scenes.classes == scenes.classes[scene, slot]) & scenes.usable
    alone = int(alike[scene].sum()) == 1
    alike &= scenes.sources != scenes.sources[scene, slot]
    if alone and bool(alike.any()) and _chance(generator) < CLASS_SHARE:
        same = alike
    same[scene] = False
    places = same.nonzero()
    return (scene, slot) if not len(places) else (int(places[0, 0]), int(places[0, 1]))


def _stranger(scenes: Scenes, scene: int, generator: torch.Generator) -> tuple[int, int] | None:
    """An object of a class that this scene does not show."""
    here = set(scenes.classes[scene].tolist())
    usable = scenes.usable.nonzero().tolist()
    others = [(i, k) for i, k in usable if int(scenes.classes[i, k]) not in here]
    return others[_integer(len(others), generator)] if others else None


def _prior(
    matching: torch.Tensor,
    scene: int,
    reference: tuple[int, torch.Tensor],
    generator: torch.Generator,
) -> torch.Tensor:
    """``(h, w)``: cosine to the mean plus half of the contrast, standardised; made hard."""
    index, cells = reference
    keep = 0.08 + 0.9 * _chance(generator) ** 2
    draws = torch.rand(matching.shape[1], generator=generator, device=generator.device)
    channels = draws < keep
    channels[0] = True
    searched, known = matching[scene][channels], matching[index][channels]
    stranger = matching[_integer(len(matching), generator)][channels]
    y, x = _integer(stranger.shape[1], generator), _integer(stranger.shape[2], generator)
    share = 0.5 * _chance(generator) ** 2
    target = F.normalize(similarity.pool(known, cells, "mean"), dim=0)
    mixed = F.normalize(target + share * F.normalize(stranger[:, y, x], dim=0), dim=0)
    on, off = (similarity.unit_vectors(known, which) for which in (cells, ~cells))
    contrast = similarity.contrast(searched, on, off)
    found = similarity.cosine(searched, mixed) + CONTRAST * contrast
    return similarity.standardise(similarity.smooth(found, SMOOTHING))


def _integer(below: int, generator: torch.Generator) -> int:
    return int(torch.randint(below, (), generator=generator, device=generator.device))


def _chance(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator, device=generator.device))
