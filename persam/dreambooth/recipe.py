"""What decides the weights of a training run, apart from the base model and the subject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from persam.errors import InputError

Kind = Literal["lora", "full"]
PredictionType = Literal["auto", "epsilon", "v_prediction"]


@dataclass(frozen=True)
class DreamBoothRecipe:
    """Everything that decides the weights, apart from base and subject.

    Attributes:
        kind: ``"lora"`` trains thin matrices beside the U-Net's attentions, ``"full"`` all of it.
        rank: of LoRA's matrices, whose alpha is the rank, so that they count as they are.
        steps: optimiser steps.
        batch: subject pictures a step; as many pictures of its class come to them.
        learning_rate: AdamW's, constant.
        weight_decay: AdamW's.
        prior_weight: factor of the prior-preservation loss; 0 for none of it.
        prior_pictures: how many pictures of the class the base model draws first.
        masked: whether the loss on the subject's photos is taken on the subject alone.
        resolution: side of the square that is trained on, in pixels; 0 for the subject's.
        prediction: what the base model predicts, where its scheduler does not say it.
        precision: ``"fp32"``, ``"bf16"`` or ``"fp16"``: of the frozen parts and of the arithmetic;
            what is trained is kept in float32.
        save_memory: compute activations twice instead of keeping them.
        seed: of everything.
    """

    kind: Kind = "lora"
    rank: int = 16
    steps: int = 800
    batch: int = 1
    learning_rate: float = 1e-4
    weight_decay: float = 1e-2
    prior_weight: float = 1.0
    prior_pictures: int = 100
    masked: bool = True
    resolution: int = 0
    prediction: PredictionType = "auto"
    precision: str = "fp32"
    save_memory: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        least = {
            "rank": 1,
            "steps": 1,
            "batch": 1,
            "prior_pictures": 1,
            "learning_rate": 0,
            "weight_decay": 0,
            "prior_weight": 0,
            "seed": 0,
        }
        for name, limit in least.items():
            if not getattr(self, name) >= limit:
                raise InputError(
                    f"{name} of a training run is at least {limit}; got {getattr(self, name)}."
                )
        if self.resolution < 0 or self.resolution % 8:
            raise InputError(
                f"The resolution of a training run is a multiple of 8 pixels; got "
                f"{self.resolution}."
            )

    @property
    def prior(self) -> bool:
        """Whether the prior-preservation loss is used."""
        return self.prior_weight > 0


@dataclass(frozen=True)
class SamplingOptions:
    """How pictures are drawn on the way and for prior preservation.

    Attributes:
        prompts: what is drawn on the way; none for no samples.
        every: after so many steps, and at the end.
        steps: of the sampler.
        guidance: scale of classifier-free guidance.
        seed: of the first prompt's picture; the next one's is one more.
    """

    prompts: tuple[str, ...] = ()
    every: int = 200
    steps: int = 30
    guidance: float = 7.5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.every < 1 or self.steps < 1:
            raise InputError(
                f"Samples are drawn every 1 or more steps, in 1 or more steps; got {self.every} "
                f"and {self.steps}."
            )
