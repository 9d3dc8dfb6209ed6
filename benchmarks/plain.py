"""What the official scripts do, step by step: the loop that bench.py holds persam against.

One photo at a time, float32, everything in the order of persam.py and persam_f.py. Attention is
written out (scores, relative positions, softmax, product) as in their encoders, tensors lie in
torch's usual layout, and the decoder's masks are all brought to the photo's full size.

It is no straw man. It runs on the same torch and the same networks as persam, and is faster than
the scripts where they do more: no matplotlib picture of each photo (which takes longer than the
decoder), the reference is encoded once and not again as a photo, photos that the decoder finds
nothing in do not stop it, and PNGs are written at the quickest compression, as OpenCV does. What
the scripts do on a GPU, such as `.cuda()` on each tensor, is not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from transformers.models.sam import modeling_sam

from persam.models.runtime.fast_decoder import undo_lean
from persam.structures import Embedding, Frame, Guidance, Maps, Prompts

STEPS = 1000


@dataclass(frozen=True, eq=False)
class Target:
    """What the scripts keep of the reference: a unit vector to look for, and a raw mean."""

    feature: torch.Tensor  # (d,)
    embedding: torch.Tensor  # (c,)


class PlainModel:
    """A model that persam.load gave on the CPU in fp32, run as the scripts run theirs."""

    def __init__(self, backbone: Any) -> None:
        self.backbone: Any = backbone
        model = backbone.model.to(memory_format=torch.contiguous_format)
        model.mask_decoder.transformer.config._attn_implementation = "eager"
        undo_lean(model)
        for module in model.modules():
            if isinstance(module, modeling_sam.SamVisionSdpaAttention):
                module.__class__ = modeling_sam.SamVisionAttention
            elif hasattr(module, "attention_biases"):
                module.forward = _Attention(module)

    @torch.no_grad()
    def encode(self, image: np.ndarray) -> Embedding:
        """Encode ``(height, width, 3)`` uint8 RGB; the network is called without any engine."""
        pixels, frame = self.lay(image)
        features, *extras = self.backbone.network(pixels)
        matching = extras.pop(0) if self.backbone.own_matching else features
        return Embedding(Maps(features, matching, tuple(extras)), frame)

    def decode(self, embedding: Embedding, prompts: Prompts, **how: Any) -> Any:
        """Ask transformers' decoder for one picture; the answer is of tensors."""
        return self.backbone.decode_tensors([embedding], [prompts], **how)[0]

    def lay(self, image: np.ndarray) -> tuple[torch.Tensor, Frame]:
        """Resize by Pillow, then normalise, then pad: ``(1, 3, square, square)``."""
        frame = self.backbone.frame(*image.shape[:2])
        height, width = frame.resized
        small = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1).float()
        mean, std = (
            torch.from_numpy(numbers) for numbers in (self.backbone.mean, self.backbone.std)
        )
        pixels = (pixels - mean[:, None, None]) / std[:, None, None]
        return F.pad(pixels, (0, frame.square - width, 0, frame.square - height))[None], frame


def read(path: Path) -> np.ndarray:
    """``(height, width, 3)`` uint8 RGB."""
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


@torch.no_grad()
def learn(model: PlainModel, photo: Path, mask: Path, *, peak: bool = False) -> Target:
    """The reference's features under its mask: their mean, or half of mean and maximum."""
    embedding = model.encode(read(photo))
    laid, _ = model.lay(read(mask))
    features, matching = embedding.features[0], embedding.matching[0]
    inside = features[:, _sampled(laid, features) > 0]
    vectors = matching[:, _sampled(laid, matching) > 0]
    found = vectors.amax(1) / 2 + vectors.mean(1) / 2 if peak else vectors.mean(1)
    return Target(found / found.norm(), inside.mean(1))


def _sampled(laid: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    return F.interpolate(laid, features.shape[-2:], mode="bilinear")[0, 0]


def segment(model: PlainModel, target: Target, photos: list[Path], folder: Path) -> None:
    """PerSAM over a folder of photos: a PNG for each."""
    folder.mkdir(parents=True, exist_ok=True)
    for photo in photos:
        mask = find(model, target, read(photo))
        picture = np.zeros((*mask.shape, 3), dtype=np.uint8)
        picture[mask] = (128, 0, 0)
        Image.fromarray(picture).save(folder / f"{photo.stem}.png", compress_level=1)


@torch.no_grad()
def find(model: PlainModel, target: Target, image: np.ndarray) -> np.ndarray:
    """``(height, width)`` bool: PerSAM's three decoder calls."""
    embedding = model.encode(image)
    found = similarity(embedding, target)
    points = np.array([_place(found, found.argmax()), _place(found, found.argmin())])
    asked: dict[str, Any] = {"points": points, "labels": np.array([1, 0])}
    guidance = Guidance(_guide(found, embedding), target.embedding[None, None])
    answer = model.decode(embedding, Prompts(**asked), guidance=guidance, multimask=False)
    logits, mask = answer.logits, full_size(answer.logits, embedding.frame)[0] > 0
    for boxed in (False, True):
        box = _box(mask.numpy()) if boxed else None
        answer = model.decode(embedding, Prompts(**asked, box=box, mask=logits))
        masks = full_size(answer.logits, embedding.frame) > 0
        best = int(answer.iou.argmax())
        if bool(masks[best].any()):
            logits, mask = answer.logits[best : best + 1], masks[best]
    return mask.numpy()


def similarity(embedding: Embedding, target: Target) -> torch.Tensor:
    """``(height, width)`` cosine to the target, at the photo's full size."""
    features = embedding.matching[0]
    features = features / features.norm(dim=0, keepdim=True)
    channels, rows, columns = features.shape
    found = (target.feature @ features.reshape(channels, -1)).reshape(1, 1, rows, columns)
    finer = F.interpolate(found, scale_factor=4, mode="bilinear")
    return full_size(finer[0], embedding.frame)[0]


def full_size(maps: torch.Tensor, frame: Frame) -> torch.Tensor:
    """``(k, m, m)`` maps of the square to ``(k, height, width)`` of the photo, as SAM does it."""
    square = F.interpolate(maps[None], (frame.square, frame.square), mode="bilinear")
    picture = square[..., : frame.resized[0], : frame.resized[1]]
    return F.interpolate(picture, (frame.height, frame.width), mode="bilinear")[0]


def _place(found: torch.Tensor, index: torch.Tensor) -> tuple[int, int]:
    return int(index) % found.shape[1], int(index) // found.shape[1]


def _guide(found: torch.Tensor, embedding: Embedding) -> torch.Tensor:
    standard = (found - found.mean()) / found.std()
    grid = embedding.features.shape[-2:]
    return F.interpolate(standard[None, None], grid, mode="bilinear").sigmoid().reshape(1, 1, 1, -1)


def _box(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    rows, columns = np.nonzero(mask)
    if len(rows) == 0:
        return None
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


@dataclass(frozen=True)
class Fit:
    """PerSAM-F's three weights, and the sum of dice and focal loss that they leave."""

    weights: tuple[float, float, float]
    loss: float


class Fitting:
    """PerSAM-F on one reference: everything before the loop of 1,000 steps is done at birth."""

    def __init__(self, model: PlainModel, photo: Path, mask: Path) -> None:
        self.model, target = model, learn(model, photo, mask, peak=True)
        self.embedding = model.encode(read(photo))
        found = similarity(self.embedding, target)
        self.prompts = Prompts(np.array([_place(found, found.argmax())]), np.array([1]))
        self.truth = torch.from_numpy(read(mask)[..., 0] > 0).float().flatten()

    def run(self, steps: int = STEPS) -> Fit:
        """AdamW along a cosine; the decoder is asked in every step, though it never changes."""
        free = torch.full((2, 1), 1 / 3, requires_grad=True)
        optimiser = torch.optim.AdamW([free], lr=1e-3, eps=1e-4)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for _ in range(steps):
            loss = self._loss(self.masks(), free)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        weights = torch.cat([1 - free.sum(0, keepdim=True), free]).detach().flatten().tolist()
        return Fit((weights[0], weights[1], weights[2]), self.loss(*weights[1:]))

    @torch.no_grad()
    def masks(self) -> torch.Tensor:
        """``(3, pixels)`` logits of the decoder's three masks at the photo's full size."""
        answer = self.model.decode(self.embedding, self.prompts, multimask=True)
        return full_size(answer.logits, self.embedding.frame).flatten(1)

    def loss(self, second: float, third: float) -> float:
        """What weights of the second and third mask leave, whoever found them."""
        return float(self._loss(self.masks(), torch.tensor([[second], [third]])))

    def _loss(self, masks: torch.Tensor, free: torch.Tensor) -> torch.Tensor:
        weights = torch.cat([1 - free.sum(0, keepdim=True), free])
        fused = (masks * weights).sum(0)
        share, truth = fused.sigmoid(), self.truth
        dice = 1 - (2 * (share * truth).sum() + 1) / (share.sum() + truth.sum() + 1)
        entropy = F.binary_cross_entropy_with_logits(fused, truth, reduction="none")
        right = share * truth + (1 - share) * (1 - truth)
        focal = (0.25 * truth + 0.75 * (1 - truth)) * (1 - right) ** 2 * entropy
        return dice + focal.mean()


class _Attention:
    """TinyViT's attention in a window by a product and a softmax, as in MobileSAM's own code.

    The biases of all pairs are laid out once, as its evaluation mode does.
    """

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.bias = layer.attention_biases[:, layer.distance]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        layer, (windows, cells, width) = self.layer, x.shape
        qkv = layer.qkv(layer.norm(x)).view(windows, cells, layer.heads, 3, -1)
        query, key, value = qkv.permute(3, 0, 2, 1, 4)
        scores = query @ key.transpose(-2, -1) * (width // layer.heads) ** -0.5 + self.bias
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).reshape(windows, cells, width)
        return layer.proj(mixed)
