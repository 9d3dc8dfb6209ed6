"""Scenes -> what is asked for, what it looked like elsewhere, and the prompts that ask.

An episode is one object of one scene together with a reference: another scene that shows the same
picture's object, or the scene itself where there is none. Some episodes ask for an object that is
not in their scene. The location prior is worked out from the model's real matching features; some
of their channels are dropped and strange objects mixed in, because two views of one photo match
far better than two photos of one object do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from persam import similarity

if TYPE_CHECKING:
    from persam.backbones.pocket_network import Features
    from persam.training.scenes import Scenes

ABSENT_SHARE = 0.1
CONTRAST = 0.5


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

    @property
    def present(self) -> torch.Tensor:
        """``(n,)`` bool."""
        return self.truth.flatten(1).amax(1) > 0.5


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
            where = _reference(scenes, scene, slot)
            if float(torch.rand((), generator=generator)) < ABSENT_SHARE:
                stranger = _stranger(scenes, scene, generator)
                if stranger is not None:
                    where, truth = stranger, torch.zeros_like(truth)
            reference, kept = where[0], cells[where]
            priors.append(_prior(features.matching, scene, (reference, kept), generator))
            targets.append(features.mask[reference].float()[:, kept].mean(1))
            scene_index.append(scene)
            truths.append(truth)
    return Episodes(
        torch.tensor(scene_index), torch.stack(truths), torch.stack(priors), torch.stack(targets)
    )


def _cells(objects: torch.Tensor, grid: torch.Size) -> torch.Tensor:
    share = F.interpolate(objects, grid, mode="area")
    return share >= share.amax((2, 3), keepdim=True).clamp(max=0.5)


def _reference(scenes: Scenes, scene: int, slot: int) -> tuple[int, int]:
    """Another place where the same picture's object can be seen, else this one."""
    same = (scenes.sources == scenes.sources[scene, slot]) & scenes.usable
    same[scene] = False
    places = same.nonzero()
    return (scene, slot) if not len(places) else (int(places[0, 0]), int(places[0, 1]))


def _stranger(scenes: Scenes, scene: int, generator: torch.Generator) -> tuple[int, int] | None:
    """An object that this scene does not show."""
    here = set(scenes.sources[scene].tolist())
    usable = scenes.usable.nonzero().tolist()
    others = [(i, k) for i, k in usable if int(scenes.sources[i, k]) not in here]
    return others[_integer(len(others), generator)] if others else None


def _prior(
    matching: torch.Tensor,
    scene: int,
    reference: tuple[int, torch.Tensor],
    generator: torch.Generator,
) -> torch.Tensor:
    """``(h, w)``: cosine to the mean plus half of the contrast, standardised; made hard."""
    index, cells = reference
    keep = 0.08 + 0.9 * float(torch.rand((), generator=generator)) ** 2
    channels = torch.rand(matching.shape[1], generator=generator) < keep
    channels[0] = True
    searched, known = matching[scene][channels], matching[index][channels]
    stranger = matching[_integer(len(matching), generator)][channels]
    y, x = _integer(stranger.shape[1], generator), _integer(stranger.shape[2], generator)
    share = 0.5 * float(torch.rand((), generator=generator)) ** 2
    target = F.normalize(similarity.pool(known, cells, "mean"), dim=0)
    mixed = F.normalize(target + share * F.normalize(stranger[:, y, x], dim=0), dim=0)
    on, off = (similarity.unit_vectors(known, which) for which in (cells, ~cells))
    contrast = similarity.contrast(searched, on, off)
    return similarity.standardise(similarity.cosine(searched, mixed) + CONTRAST * contrast)


def _integer(below: int, generator: torch.Generator) -> int:
    return int(torch.randint(below, (), generator=generator))
