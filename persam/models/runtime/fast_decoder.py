"""The decoders of the SAM families with less work, for CPUs; a GPU has fused kernels for the usual.

Every SAM decoder projects all cells to queries, keys and values, though only some ten tokens look
at them or are looked at. Products of matrices may be taken in any order: here a head's projection
is applied to the tokens, ``q (W x + b) = (q W) x + q b``, so that each cell meets one matrix of
``heads * tokens`` rows instead of two of the inner width. The softmax over tokens runs along the
cells, which vectorises. And where nothing but single cells is computed, up to SAM's masks, a cell's
channels stay side by side. Numbers differ from transformers' own in the last digits alone.

What engines are given (:mod:`persam.models.runtime.decoder_graph`) is a decoder that was made so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers.models.sam.modeling_sam import SamMaskDecoder

from persam.models.guided_attention import REWEIGHTED

if TYPE_CHECKING:
    from collections.abc import Callable

_POSITIONS = "get_image_wide_positional_embeddings"
# Heads times tokens, of the inner width, up to which torch's products pay: a call of SAM's decoder
# takes 53 ms and not 75 with 7 tokens, 67 and not 77 with 13, and as long as before with 16.
FEW = 1.0
Answer = tuple[torch.Tensor, torch.Tensor | None]


def make_lean(model: Any) -> None:
    """Let a transformers model of a SAM family decode with less work, from now on.

    Hooks on the layers go on working. A layer whose projections were changed (by LoRA, by hooks)
    and calls with many tokens, under autocast or off the CPU run transformers' code.

    Args:
        model: frozen, and on the device where it stays.
    """
    transformer = model.mask_decoder.transformer
    if transformer.config._attn_implementation == "eager":  # where nobody has chosen, as in pocket
        transformer.config._attn_implementation = "sdpa"
    for layer, attend in _layers(transformer).items():
        layer.forward = _Lean(layer, attend)
    kind: type = type(model.mask_decoder)
    if kind is SamMaskDecoder:  # the other kinds mix other maps in
        model.mask_decoder.forward = _Masks(model.mask_decoder)
    if hasattr(model, _POSITIONS):
        with torch.no_grad():
            kept = _Kept(getattr(model, _POSITIONS)())
        setattr(model, _POSITIONS, kept)
        transformer.forward = _ByCell(transformer, kept)


def undo_lean(model: Any) -> None:
    """Let it decode by transformers' own code again, for who wants to compare."""
    transformer = model.mask_decoder.transformer
    for layer in _layers(transformer):
        layer.__dict__.pop("forward", None)
    for module in (transformer, model.mask_decoder):
        module.__dict__.pop("forward", None)
    model.__dict__.pop(_POSITIONS, None)


def _layers(transformer: Any) -> dict[Any, Callable[..., torch.Tensor]]:
    ways: dict[Any, Callable[..., torch.Tensor]] = {}
    ways[transformer.final_attn_token_to_image] = _from_cells
    for block in transformer.layers:
        ways[block.cross_attn_token_to_image] = _from_cells
        ways[block.cross_attn_image_to_token] = _to_cells
    return ways


class _Kept:
    """Where the cells lie, as sines: what transformers would work out anew for every call."""

    def __init__(self, positions: torch.Tensor) -> None:
        self.positions = positions.contiguous(memory_format=torch.channels_last)

    def __call__(self) -> torch.Tensor:
        return self.positions


class _ByCell:
    """Runs a decoder's transformer with the channels of a cell side by side.

    That is how its sums, norms and products go through them; transformers lays them plane by plane.
    """

    def __init__(self, transformer: Any, kept: _Kept) -> None:
        self.transformer, self.kept = transformer, kept

    def __call__(self, **kwargs: Any) -> Any:
        image, positions = kwargs["image_embeddings"], kwargs["image_positional_embeddings"]
        kept = self.kept.positions
        if image.device.type == "cpu" and positions.shape[1:] == kept.shape[1:]:
            kwargs["image_embeddings"] = image.contiguous(memory_format=torch.channels_last)
            kwargs["image_positional_embeddings"] = kept.expand(positions.shape)
        return type(self.transformer).forward(self.transformer, **kwargs)


class _Lean:
    """Stands in the place of a layer's forward; an object, so that copies refer to the copy."""

    def __init__(self, layer: Any, attend: Callable[..., torch.Tensor]) -> None:
        self.layer, self.attend = layer, attend

    def __call__(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_similarity: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Answer:
        layer, guide = self.layer, attention_similarity
        if not (_fits(layer, query, key) and _means_the_same(layer, guide)):
            return type(layer).forward(layer, query, key, value, guide, **kwargs)
        rows = [tensor.flatten(0, 1) for tensor in (query, key, value)]
        return self.attend(layer, *rows, guide).view(query.shape), None


def _fits(layer: Any, query: torch.Tensor, key: torch.Tensor) -> bool:
    if not (_here(query) and all(_untouched(part, nn.Linear) for part in layer.children())):
        return False
    if _traced():  # for an engine, whose products pay with any number of tokens
        return True
    tokens = min(query.shape[2], key.shape[2])
    return layer.num_attention_heads * tokens <= FEW * layer.internal_dim


def _here(tensor: torch.Tensor) -> bool:
    return tensor.device.type == "cpu" and not torch.is_autocast_enabled("cpu")


def _traced() -> bool:
    tracing = torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
    return tracing or torch.compiler.is_compiling()


def _means_the_same(layer: Any, guide: torch.Tensor | None) -> bool:
    """Whether the layer is to attend as here: a guide is persam's alone, transformers adds it."""
    kind = layer.config._attn_implementation
    return kind in REWEIGHTED or (kind == "sdpa" and guide is None)


def _untouched(part: nn.Module, kind: type[nn.Module]) -> bool:
    return type(part) is kind and not (part._forward_hooks or part._forward_pre_hooks)


def _from_cells(
    layer: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    guide: torch.Tensor | None,
) -> torch.Tensor:
    """Tokens ``(b, n, c)`` look at cells ``(b, m, c)``: ``(b, n, c)``."""
    batch, tokens, channels = query.shape
    # The keys' bias adds the same to all cells' scores, which a softmax does not see.
    asked = _heads(layer, layer.q_proj(query)) * layer.scaling @ _by_head(layer, layer.k_proj)
    weights = torch.bmm(asked.flatten(1, 2), key.transpose(1, 2)).softmax(-1)
    if guide is not None:  # the guide counts for every head and token alike
        weights = REWEIGHTED[layer.config._attn_implementation](weights, guide[:, 0])
    seen = torch.bmm(weights, value).view(batch, -1, tokens, channels)
    mixed = seen @ _by_head(layer, layer.v_proj).transpose(1, 2)
    return _out(layer)(mixed.transpose(1, 2).flatten(2) + layer.v_proj.bias)


def _to_cells(
    layer: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, _: torch.Tensor | None
) -> torch.Tensor:
    """Cells ``(b, m, c)`` look at tokens ``(b, n, c)``: ``(b, m, c)``."""
    keys = _heads(layer, layer.k_proj(key)) * layer.scaling
    values, out = _heads(layer, layer.v_proj(value)), _out(layer)
    asked = (keys @ _by_head(layer, layer.q_proj)).flatten(1, 2)
    bias = (keys @ layer.q_proj.bias.view(layer.num_attention_heads, -1, 1)).flatten(1, 2)
    scores = torch.baddbmm(bias, asked, query.transpose(1, 2))
    weights = scores.unflatten(1, keys.shape[1:3]).softmax(2).flatten(1, 2)
    said = values @ out.weight.T.reshape(layer.num_attention_heads, -1, out.out_features)
    return torch.baddbmm(out.bias, weights.transpose(1, 2), said.flatten(1, 2))


def _heads(layer: Any, rows: torch.Tensor) -> torch.Tensor:
    """``(b, n, heads * d)`` to ``(b, heads, n, d)``."""
    return rows.unflatten(2, (layer.num_attention_heads, -1)).transpose(1, 2)


def _by_head(layer: Any, projection: nn.Linear) -> torch.Tensor:
    """A projection's weights, ``(heads, d, c)``."""
    return projection.weight.unflatten(0, (layer.num_attention_heads, -1))


def _out(layer: Any) -> nn.Linear:
    """The last projection, which SAM and SAM 2 name differently."""
    return layer.out_proj if hasattr(layer, "out_proj") else layer.o_proj


class _Masks:
    """Stands in the place of the forward of SAM's mask decoder.

    Its upscaling sees each cell alone: kernels as wide as their strides, a norm over channels,
    GELUs. So these are products of rows, and only the masks are laid out as pictures.
    """

    def __init__(self, decoder: Any) -> None:
        self.decoder = decoder

    def __call__(self, **kwargs: Any) -> tuple[torch.Tensor, torch.Tensor]:
        decoder, prompts = self.decoder, kwargs["sparse_prompt_embeddings"]
        convolutions = decoder.upscale_conv1, decoder.upscale_conv2
        alone = prompts is not None and prompts.shape[1] == 1 and _here(prompts)
        norm = decoder.upscale_layer_norm
        plain = all(_untouched(conv, nn.ConvTranspose2d) for conv in convolutions)
        if not (alone and plain and _untouched(norm, type(norm))):
            return type(decoder).forward(decoder, **kwargs)
        return _masks(decoder, **kwargs)


def _masks(  # noqa: PLR0913, PLR0917 - transformers' names
    decoder: Any,
    image_embeddings: torch.Tensor,
    image_positional_embeddings: torch.Tensor,
    sparse_prompt_embeddings: torch.Tensor,
    dense_prompt_embeddings: torch.Tensor,
    multimask_output: bool,
    **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Masks ``(b, 1, k, 4h, 4w)`` and IoU estimates ``(b, 1, k)`` for one prompt set a picture."""
    batch, _, height, width = image_embeddings.shape
    own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    tokens, cells = decoder.transformer(
        point_embeddings=torch.cat([own.expand(batch, 1, -1, -1), sparse_prompt_embeddings], dim=2),
        image_embeddings=image_embeddings + dense_prompt_embeddings,
        image_positional_embeddings=image_positional_embeddings,
        **kwargs,
    )
    fine = _four_each(cells.flatten(0, 1), decoder.upscale_conv1)
    norm = decoder.upscale_layer_norm
    fine = F.layer_norm(fine, norm.normalized_shape, norm.weight, norm.bias, norm.eps)
    fine = decoder.activation(_four_each(decoder.activation(fine), decoder.upscale_conv2))
    which = range(1, decoder.num_mask_tokens) if multimask_output else range(1)
    heads = decoder.output_hypernetworks_mlps
    hyper = torch.stack([heads[i](tokens[:, 0, 1 + i]) for i in which], dim=2)
    masks = (fine @ hyper).view(batch, height, width, 2, 2, 2, 2, -1)
    masks = masks.permute(0, 7, 1, 3, 5, 2, 4, 6).reshape(batch, 1, -1, 4 * height, 4 * width)
    scores = decoder.iou_prediction_head(tokens[:, :, 0])
    return masks, scores[..., which.start : which.stop]


def _four_each(cells: torch.Tensor, conv: nn.ConvTranspose2d) -> torch.Tensor:
    """``(b, n, c)`` through a 2x2 kernel of stride 2: ``(b, 4n, d)``, a cell's four in a row."""
    weight = conv.weight.permute(0, 2, 3, 1).flatten(1)
    bias = None if conv.bias is None else conv.bias.repeat(4)
    return F.linear(cells, weight.T, bias).reshape(cells.shape[0], -1, conv.out_channels)
