"""What a diffusion model is judged by on a subject's photos: the subject's cells alone.

The term is PerSAM's assisted DreamBooth, of which the paper says that the background's gradient is
discarded: ``sum m * (prediction - target)^2 / (channels * sum m)``. The mean over the mask is what
other trainers leave out; without it a small subject would learn slowly and a large one fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from persam.errors import InputError

if TYPE_CHECKING:
    import torch


def masked_loss(
    prediction: torch.Tensor,
    target: torch.Tensor,
    mask: torch.Tensor,
    weight: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean squared error on the cells that a mask names; no gradient reaches the others.

    Every picture's error is divided by its own sum of mask values times channels, then the mean
    over pictures is taken. So the loss is the mean error of a subject's element, whatever the
    subject's size and however many pictures there are; a mask of ones gives the ordinary mean
    squared error. A picture whose mask is all 0 counts as 0 and has no gradient. The arithmetic
    is in float32.

    Args:
        prediction: ``(n, c, h, w)`` what the model predicts (noise, velocity or sample), any float
            type. Other layouts with the pictures first work alike, as ``(n, tokens, c)``.
        target: what it should have said, of the same shape.
        mask: weights of the cells, 0..1: ``(n, 1, h, w)`` or ``(n, h, w)``; with other layouts
            whatever broadcasts to the prediction, as ``(n, tokens, 1)``.
        weight: ``(n,)`` factors of the pictures, as of a min-SNR schedule; None for 1.

    Returns:
        A scalar float32 tensor.

    Raises:
        InputError: shapes that do not fit, with the function that makes them fit.

    Example:
        >>> import torch
        >>> off_by_two = torch.full((1, 4, 2, 2), 2.0)
        >>> corner = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
        >>> masked_loss(off_by_two, torch.zeros(1, 4, 2, 2), corner)
        tensor(4.)
    """
    each = masked_errors(prediction, target, mask)
    return (each if weight is None else each * weight.to(each)).mean()


def masked_errors(
    prediction: torch.Tensor, target: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """Weighted mean squared error of each picture, ``(n,)`` float32; see :func:`masked_loss`."""
    spread = _spread(prediction, target, mask)
    errors = (prediction.float() - target.float()).square() * spread
    # A sum of 0 has an error of 0 above it, so any divisor but 0 gives the 0 that is promised.
    total = spread.flatten(1).sum(1)
    return errors.flatten(1).sum(1) / total.where(total > 0, total.new_ones(()))


def _spread(prediction: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The mask with a value for every element of the prediction, float32."""
    if prediction.shape != target.shape or prediction.ndim < 2:
        raise InputError(
            f"Prediction and target have one shape, (n, c, h, w); got {tuple(prediction.shape)} "
            f"and {tuple(target.shape)}."
        )
    cells = mask[:, None] if mask.ndim == 3 and prediction.ndim == 4 else mask
    try:
        # A mask for one picture must not be taken for all of them in silence.
        if cells.ndim != prediction.ndim or cells.shape[0] != prediction.shape[0]:
            raise RuntimeError
        return cells.to(prediction.device).float().expand(prediction.shape)
    except RuntimeError:
        fitting = (prediction.shape[0], 1, *prediction.shape[2:])
        raise InputError(
            f"A mask has a value for every cell of every picture: {fitting} for a prediction of "
            f"{tuple(prediction.shape)}; got {tuple(mask.shape)}. "
            f"persam.dreambooth.latent_mask brings a mask of a photo to the latent grid."
        ) from None
