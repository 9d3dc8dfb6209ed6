"""How well a model answers when it is told where the object is: by its true box, by its centre.

It is asked as clicks and boxes are, with a second look where its own recipe takes one. Nothing is
learnt and nothing is looked for here, so this says what the mask decoder alone is worth, and
whether its own estimate of a mask's IoU can be believed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import fmean
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from persam.errors import InputError
from persam.evaluation.reference_prompts import deepest_point, tight_box
from persam.metrics import iou
from persam.pipeline.prompted import ask, looks_closer
from persam.structures import Prompts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from persam.models.base import Backbone
    from persam.structures import Embedding

    Asker = Callable[[np.ndarray], Prompts]


@dataclass(frozen=True)
class PromptOutcome:
    """What the model made of one prompt.

    Attributes:
        single: IoU of the single mask, SAM's answer to a prompt that is not ambiguous, 0..1.
        iou: of the one of three masks with the highest estimate, 0..1.
        best: of the best of the three, 0..1; what a perfect choice would give.
        estimate: the model's own estimate of ``iou``, about 0..1.
    """

    single: float
    iou: float
    best: float
    estimate: float


@dataclass(frozen=True)
class PromptReport:
    """One way of asking, over all pictures.

    Attributes:
        answers: one a picture, in the order of the pictures; at least one.
    """

    answers: tuple[PromptOutcome, ...]

    def __post_init__(self) -> None:
        if not self.answers:
            raise InputError("There were no pictures to ask for; give at least one with its mask.")

    @property
    def single(self) -> float:
        """Mean IoU of the single masks."""
        return fmean(answer.single for answer in self.answers)

    @property
    def miou(self) -> float:
        """Mean IoU of the one of three masks that the model believes in most."""
        return fmean(answer.iou for answer in self.answers)

    @property
    def best(self) -> float:
        """Mean IoU of the best mask of each answer."""
        return fmean(answer.best for answer in self.answers)

    @property
    def estimate_error(self) -> float:
        """Mean absolute difference between a chosen mask's estimated and true IoU."""
        return fmean(abs(answer.estimate - answer.iou) for answer in self.answers)


def box_prompt(truth: np.ndarray) -> Prompts:
    """Ask by the tight box of the true mask.

    Args:
        truth: ``(H, W)`` bool.

    Raises:
        InputError: an empty mask.
    """
    return Prompts(box=tight_box(truth))


def centre_prompt(truth: np.ndarray) -> Prompts:
    """Ask by the point deepest inside the true mask.

    Args:
        truth: ``(H, W)`` bool.

    Raises:
        InputError: an empty mask.
    """
    return Prompts(np.array([deepest_point(truth)]), np.ones(1, dtype=np.int64))


PROMPTS: Mapping[str, Asker] = MappingProxyType({"box": box_prompt, "centre": centre_prompt})


def evaluate_prompts(
    backbone: Backbone,
    pictures: Iterable[tuple[np.ndarray, np.ndarray]],
    askers: Mapping[str, Asker] = PROMPTS,
) -> dict[str, PromptReport]:
    """Ask for every object in every way; each whole picture is encoded once.

    Args:
        backbone: the model.
        pictures: each ``(H, W, 3)`` uint8 RGB with its true mask ``(H, W)`` bool; read one by one.
        askers: true mask -> prompts, by name.

    Returns:
        A report for each name of ``askers``.

    Raises:
        InputError: no pictures, an empty mask, or a mask of another size or type.
    """
    answers: dict[str, list[PromptOutcome]] = {name: [] for name in askers}
    for image, truth in pictures:
        embedding = replace(backbone.encode(image), image=image)
        for name, asker in askers.items():
            answers[name].append(_answer(backbone, embedding, truth, asker(truth)))
    return {name: PromptReport(tuple(given)) for name, given in answers.items()}


def _answer(
    backbone: Backbone, embedding: Embedding, truth: np.ndarray, prompts: Prompts
) -> PromptOutcome:
    closely = looks_closer(backbone)
    one, three = (
        ask(backbone, embedding, prompts, multimask=several, closely=closely)
        for several in (False, True)
    )
    ious = [iou(three.mask(index), truth) for index in range(len(three.answer.iou))]
    chosen, estimates = three.answer.best(), three.answer.iou
    return PromptOutcome(iou(one.mask(0), truth), ious[chosen], max(ious), float(estimates[chosen]))
