"""Between arrays and torch: where the pipeline's numbers enter a model, and where they leave it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from persam.models.guided_attention import TensorGuidance
from persam.models.prompting import check_kinds, prompt_arrays
from persam.structures import MaskLogits

if TYPE_CHECKING:
    from persam.models.prompting import DecoderSizes
    from persam.structures import Embedding, Guidance, Prompts


def to_tensor(values: Any, device: torch.device | str = "cpu") -> torch.Tensor:
    """An array as a tensor on a device; a tensor stays itself, so that gradients go through it."""
    if isinstance(values, torch.Tensor):
        return values.to(device)
    array = np.ascontiguousarray(values)
    # torch warns of memory that it might write to.
    tensor = torch.from_numpy(array if array.flags.writeable else array.copy())
    if torch.device(device).type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)  # the call does not wait for it


def to_array(tensor: torch.Tensor) -> np.ndarray:
    """A tensor as a float32 array on the CPU."""
    return to_arrays([tensor])[0]


def to_arrays(tensors: Iterable[torch.Tensor]) -> tuple[np.ndarray, ...]:
    """Tensors as float32 arrays on the CPU; all copies are begun before the last is waited for."""
    given = [tensor.detach().float() for tensor in tensors]
    found = [tensor.to("cpu", non_blocking=tensor.is_cuda) for tensor in given]
    for place in {tensor.device for tensor in given if tensor.is_cuda}:
        torch.cuda.current_stream(place).synchronize()
    return tuple(tensor.numpy() for tensor in found)


def prompt_batch(
    prompts: Sequence[Prompts],
    embeddings: Sequence[Embedding],
    sizes: DecoderSizes,
    device: torch.device,
) -> dict[str, torch.Tensor]:
    """One prompt set for each of ``n`` embeddings, as keywords of a model's ``forward``.

    Returns:
        As :func:`persam.models.prompting.prompt_arrays`, with n rows each.

    Raises:
        InputError: as :func:`persam.models.prompting.check_kinds` and ``prompt_arrays``.
    """
    check_kinds(prompts, embeddings)
    rows = [
        prompt_arrays(asked, embedding.frame, sizes)
        for asked, embedding in zip(prompts, embeddings, strict=True)
    ]
    batch = {name: torch.cat([to_tensor(row[name], device) for row in rows]) for name in rows[0]}
    if "input_masks" in batch:
        batch["input_masks"] = batch["input_masks"].float()
    return batch


def stack(
    embeddings: Sequence[Embedding], device: torch.device
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Features ``(n, c, h, w)`` and extras of ``n`` embeddings, as a decoder's batch."""
    features = torch.cat([to_tensor(embedding.features, device) for embedding in embeddings])
    extras = zip(*(embedding.extras for embedding in embeddings), strict=True)
    return features, [torch.cat([to_tensor(one, device) for one in maps]) for maps in extras]


def guidance_tensors(
    guidance: Guidance | Sequence[Guidance | None] | None, device: torch.device
) -> TensorGuidance | None:
    """The same guidance with tensors in the place of its arrays.

    Args:
        guidance: one, or one for each of ``n`` embeddings, all of one kind.
        device: of the tensors.

    Returns:
        Of one its own shapes; of several ``attention`` ``(n, 1, 1, h * w)`` and ``target``
        ``(n, 1, 1, c)``.
    """
    if isinstance(guidance, Sequence):
        each = [guidance_tensors(one, device) for one in guidance if one is not None]
        guides = [one.attention for one in each if one is not None and one.attention is not None]
        targets = [one.target for one in each if one is not None and one.target is not None]
        first = next((one for one in guidance if one is not None), None)
        if first is None:
            return None
        return TensorGuidance(
            torch.cat(guides) if guides else None,
            torch.stack(targets) if targets else None,
            first.alpha,
        )
    if guidance is None:
        return None
    parts = (guidance.attention, guidance.target)
    attention, target = (None if part is None else to_tensor(part, device) for part in parts)
    return TensorGuidance(attention, target, guidance.alpha)


def mask_logits(logits: torch.Tensor, iou: torch.Tensor) -> list[MaskLogits]:
    """Take a batch of answers apart, as tensors: ``(n, k, m, m)`` logits and ``(n, k)`` scores."""
    pairs: Any = zip(logits.float(), iou.float(), strict=True)
    return [MaskLogits(masks, scores) for masks, scores in pairs]


def as_arrays(answer: MaskLogits) -> MaskLogits:
    """An answer of tensors as one of arrays."""
    tensors: Any = (answer.logits, answer.iou)
    return MaskLogits(*to_arrays(tensors))
