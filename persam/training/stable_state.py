"""A run that trains a plug, between two steps: its recipe, and the checkpoint that resumes it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from persam.errors import InputError
from persam.evaluation.noisy_prompts import NOISE, kinds
from persam.models.checkpoint import read_checkpoint, write_checkpoint
from persam.runs import refuse_other_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from persam.io.pairs import Pair
    from persam.models.base import Backbone
    from persam.models.decoder_parts import DecoderParts
    from persam.training.collage import Collage
    from persam.training.embeddings import Store

# One third each for true boxes, noisy boxes and points.
EQUAL_FAMILIES = MappingProxyType(
    {
        "true box": 4.0,
        "noisy box": 4.0,
        "1 point": 1.0,
        "3 points": 1.0,
        "5 points": 1.0,
        "10 points": 1.0,
    }
)


@dataclass(frozen=True)
class StableRecipe:
    """Everything that decides the weights, apart from model, plug and data.

    Attributes:
        epochs: how often every picture is seen; may be a fraction.
        batch: pictures a step.
        questions: prompts a picture and step.
        proportions: how often each kind of prompt is drawn, relative to the others.
        noise: scale of the noisy boxes.
        learning_rate: Adam's, until the last ``decay`` of all steps, when it falls linearly to 0.
        decay: see ``learning_rate``.
        collages: share of the pictures that have another one beside them, which is not meant.
        seed: of everything.
    """

    epochs: float = 1.0
    batch: int = 16
    questions: int = 3
    proportions: Mapping[str, float] = field(default_factory=lambda: EQUAL_FAMILIES)
    noise: float = NOISE
    learning_rate: float = 1e-3
    decay: float = 0.3
    collages: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = set(self.proportions) - set(kinds(self.noise))
        shares = self.proportions.values()
        if unknown or not sum(shares) > 0 or min(shares) < 0:
            raise InputError(
                f"Proportions give {', '.join(kinds(self.noise))} a share of at least 0, one of "
                f"them more; got {dict(self.proportions)}."
            )
        if not 0 <= self.collages <= 1:
            raise InputError(f"The share of collages is 0 to 1; got {self.collages!r}.")
        if min(self.epochs, self.batch, self.questions, self.learning_rate) <= 0:
            raise InputError(
                f"Epochs, batch, questions and learning rate are above 0; got {self.epochs}, "
                f"{self.batch}, {self.questions} and {self.learning_rate}."
            )

    def steps(self, pictures: int) -> int:
        """How many steps that is."""
        return max(1, round(self.epochs * pictures / self.batch))

    def rate(self, step: int, steps: int) -> float:
        """Learning rate at a step."""
        return self.learning_rate * min(1.0, (steps - step) / max(1.0, self.decay * steps))

    def facts(self) -> dict[str, Any]:
        """What JSON and a checkpoint hold of it."""
        return asdict(replace(self, proportions=dict(self.proportions)))


@dataclass(frozen=True, eq=False)
class Task:
    """What is trained on what.

    Attributes:
        backbone: frozen.
        plug: whose parameters are trained, hung into that backbone's decoder.
        pairs: pictures with their masks, as ``read`` gives them.
        store: keeps embeddings between runs; None encodes every time.
        options: of the plug, as JSON holds them; a run goes on with the same ones alone.
    """

    backbone: Backbone
    plug: DecoderParts
    pairs: Sequence[Pair | Collage]
    store: Store | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def _facts(task: Task, recipe: StableRecipe) -> dict[str, Any]:
    """Whatever decides the weights of a run."""
    tensors = task.plug.parts.state_dict().items()
    return {
        **recipe.facts(),
        **task.options,
        "model": task.backbone.name,
        "pictures": len(task.pairs),
        "stems": sha256("\n".join(pair.stem for pair in task.pairs).encode()).hexdigest(),
        "shapes": {name: list(tensor.shape) for name, tensor in tensors},
    }


def keep(path: Path, task: Task, recipe: StableRecipe, optimiser: Any, step: int) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    state = {
        "run": _facts(task, recipe),
        "parts": task.plug.parts.state_dict(),
        "optimiser": optimiser.state_dict(),
        "step": step,
    }
    write_checkpoint(path, state)


def restore(path: Path, task: Task, recipe: StableRecipe, optimiser: Any) -> int:
    """Take a run up where its checkpoint left it; gives its step, 0 where there is none.

    Raises:
        InputError: the checkpoint cannot be read, or is of another recipe, model, plug or data.
    """
    saved = read_checkpoint(path, task.backbone.device)
    if saved is None:
        return 0
    advice = "Give another output folder, or go on as it was begun."
    refuse_other_settings(path, saved.get("run", {}), _facts(task, recipe), advice)
    task.plug.parts.load_state_dict(saved["parts"])
    optimiser.load_state_dict(saved["optimiser"])
    return int(saved["step"])
