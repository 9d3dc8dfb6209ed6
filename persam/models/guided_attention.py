"""Target-guided attention and target-semantic prompting, switched on for one decoder call.

The arithmetic is that of PerSAM's official code (``per_segment_anything/modeling/transformer.py``
in ZrrSkywalker/Personalize-SAM), which transformers' own ``attention_similarity`` and
``target_embedding`` arguments do not compute:

* token-to-image attention of the blocks: ``softmax(softmax(q k / sqrt(d)) + alpha * guide) v``;
* the target embedding is added to all tokens at the input of every block, and so once to the
  positional term, and once more to the query of the final token-to-image attention.

All decoders of the SAM families name these layers alike and look their attention up by name, so
nothing of them is copied here: an attention function is registered and hooks add the target.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING, Any

import torch
from transformers import AttentionInterface

from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

ATTENTION_NAME = "persam_guided"


def guided_attention(  # noqa: PLR0913 - the signature is transformers'
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    dropout: float = 0.0,
    is_causal: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention with PerSAM's guide, in the signature of transformers' ``AttentionInterface``.

    Args:
        module: the calling layer; unused, part of the interface.
        query: ``(b, heads, n, d)``.
        key: ``(b, heads, m, d)``.
        value: ``(b, heads, m, d)``.
        attention_mask: the guide, broadcastable to ``(b, heads, n, m)``; None for plain attention.
        scaling: factor of the dot products.
        dropout: the decoders' is 0; another value is an error.
        is_causal: the decoders' is False; another value is an error.

    Returns:
        ``(b, n, heads, d)`` and the weights ``(b, heads, n, m)``.
    """
    if dropout or is_causal:
        raise InputError("Guided attention has neither dropout nor causal masking; got one.")
    return attend(query, key, value, attention_mask, scaling, reweighted)


def attend(  # noqa: PLR0913, PLR0917 - attention's own parts
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    guide: torch.Tensor | None,
    scaling: float,
    reweigh: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention whose weights a guide changes, if there is one; as :func:`guided_attention`."""
    weights = torch.softmax(query @ key.transpose(-2, -1) * scaling, dim=-1)
    if guide is not None:
        weights = reweigh(weights, guide)
    return (weights @ value).transpose(1, 2).contiguous(), weights


def reweighted(weights: torch.Tensor, guide: torch.Tensor) -> torch.Tensor:
    """Attention weights ``(..., n, m)`` under a guide that broadcasts to them: a second softmax."""
    return torch.softmax(weights + guide, dim=-1)


# Registered attention -> what it makes of weights and guide, for those who attend on their own.
REWEIGHTED = {ATTENTION_NAME: reweighted}
AttentionInterface.register(ATTENTION_NAME, guided_attention)


@dataclass(frozen=True, eq=False)
class TensorGuidance:
    """A :class:`persam.structures.Guidance` of tensors.

    Attributes:
        attention: broadcastable to ``(1, 1, 1, h * w)``, or None.
        target: broadcastable to ``(1, 1, c)``, or None.
        alpha: factor of ``attention``.
    """

    attention: torch.Tensor | None = None
    target: torch.Tensor | None = None
    alpha: float = 1.0


@contextmanager
def guided(
    decoder: nn.Module, guidance: TensorGuidance | None, attention: str = ATTENTION_NAME
) -> Iterator[None]:
    """Guide every call of a mask decoder within the ``with`` block; leave no trace after it.

    Nothing is done in place, so gradients flow to the tokens, the guide and the target. The
    decoder itself is changed meanwhile, so that other threads wait for their turn.

    Args:
        decoder: a transformers mask decoder of any SAM family (``model.mask_decoder``).
        guidance: on the decoder's device. None, or neither part, changes nothing.
        attention: registered name of the attention function that reads the guide.
    """
    with decoder_lock(decoder), ExitStack() as undo:
        if guidance is not None and guidance.attention is not None:
            _guide_attention(decoder, guidance.attention * guidance.alpha, attention, undo)
        if guidance is not None and guidance.target is not None:
            _prompt_target(decoder, guidance.target, undo)
        yield


class DecoderLock:
    """Lets one thread at a time hook into a decoder and ask it; copies are locks of their own."""

    def __init__(self) -> None:
        self._lock = RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def __deepcopy__(self, _: object) -> DecoderLock:
        return DecoderLock()

    def __reduce__(self) -> tuple[type[DecoderLock], tuple[()]]:
        return DecoderLock, ()


def decoder_lock(decoder: nn.Module) -> DecoderLock:
    """The lock of a mask decoder; whatever hooks into it or asks it holds it meanwhile."""
    return decoder.__dict__.setdefault("_persam_lock", DecoderLock())


def _guide_attention(
    decoder: nn.Module, guide: torch.Tensor, attention: str, undo: ExitStack
) -> None:
    transformer: Any = decoder.transformer
    # All attention layers of the decoder share this one configuration; the encoder has its own.
    config = transformer.config
    undo.callback(setattr, config, "_attn_implementation", config._attn_implementation)
    config._attn_implementation = attention
    _replace_input(transformer, "attention_similarity", lambda _: guide, undo)


def _prompt_target(decoder: nn.Module, target: torch.Tensor, undo: ExitStack) -> None:
    transformer: Any = decoder.transformer

    def add(tokens: torch.Tensor) -> torch.Tensor:
        return tokens + target

    # The transformer starts its queries from the same tensor that is its positional term, so
    # one sum here is block 1's input and every later use of the positional term.
    _replace_input(transformer, "point_embeddings", add, undo)
    for block in list(transformer.layers)[1:]:
        _replace_input(block, "queries", add, undo)
    _replace_input(transformer.final_attn_token_to_image, "query", add, undo)


def _replace_input(
    module: Any, name: str, change: Callable[[Any], torch.Tensor], undo: ExitStack
) -> None:
    def hook(_: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        return args, {**kwargs, name: change(kwargs.get(name))}

    undo.callback(module.register_forward_pre_hook(hook, with_kwargs=True).remove)
