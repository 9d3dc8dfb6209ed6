"""A network that is to run outside torch, with all that a converter has to be told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

ENCODER, DECODER = "encoder", "decoder"
# Of an encoder in three networks: what the other two start from, what objects are compared by,
# what the decoder draws from.
SHARED, MATCHING, MASKS = "shared", "matching", "masks"


@dataclass(frozen=True, eq=False)
class Convertible:
    """One network and how it is asked.

    Attributes:
        part: ``"encoder"``, ``"decoder"`` or one of the encoder's three; files are called so.
        network: in evaluation mode.
        inputs: any, by their names, in the order of its arguments.
        free: names of inputs whose second axis may be of any length.
        outputs: names of what it gives; none leaves them to the converter.
    """

    part: str
    network: torch.nn.Module
    inputs: Mapping[str, torch.Tensor]
    free: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def side(self) -> int:
        """The last side of the first input, on which a network's constants depend."""
        return next(iter(self.inputs.values())).shape[-1]
