"""What pictures look like to CLIP and DINO: unit vectors to compare them by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps

from persam.dreambooth.masks import latent_mask
from persam.errors import InputError, ModelNotFound
from persam.models.files import quiet, read_folder
from persam.models.hub import WAYS_ON
from persam.models.loading import choose_device, locate

if TYPE_CHECKING:
    from collections.abc import Sequence

# The models of DreamBooth's own measures.
CLIP, DINO = "openai/clip-vit-base-patch32", "facebook/dino-vits16"
_CLIP_MEAN, _CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_VISION_TYPES = ("vit", "dinov2", "dinov2_with_registers")
# A patch belongs to the background if the subject covers at most so much of it.
_COVERED = 0.05


@dataclass(frozen=True, eq=False)
class ClipEyes:
    """CLIP: pictures and prompts in one space.

    Attributes:
        name: what it was loaded by.
        model: transformers' ``CLIPModel``, frozen.
        tokenizer: its words.
    """

    name: str
    model: Any
    tokenizer: Any

    @torch.no_grad()
    def pictures(self, images: Sequence[np.ndarray]) -> torch.Tensor:
        """``(n, d)`` unit vectors of ``(H, W, 3)`` uint8 pictures."""
        side = self.model.config.vision_config.image_size
        rows = []
        for image in images:
            pixels = _pixels(image, side, _CLIP_MEAN, _CLIP_STD).to(self.model.device)
            rows.append(_pooled(self.model.get_image_features(pixel_values=pixels)))
        return F.normalize(torch.cat(rows).float(), dim=1).cpu()

    @torch.no_grad()
    def prompts(self, texts: Sequence[str]) -> torch.Tensor:
        """``(n, d)`` unit vectors of prompts."""
        limit = self.model.config.text_config.max_position_embeddings
        rows = []
        for text in texts:
            words = self.tokenizer(text, truncation=True, max_length=limit, return_tensors="pt")
            words = {name: words[name].to(self.model.device) for name in words}
            rows.append(_pooled(self.model.get_text_features(**words)))
        return F.normalize(torch.cat(rows).float(), dim=1).cpu()


@dataclass(frozen=True, eq=False)
class DinoEyes:
    """DINO or DINOv2: pictures as a whole, and their backgrounds alone.

    Attributes:
        name: what it was loaded by.
        model: transformers' vision transformer, frozen.
    """

    name: str
    model: Any

    @property
    def side(self) -> int:
        """Side of the input in pixels: a whole number of patches."""
        patch = self.model.config.patch_size
        return max(1, self.model.config.image_size // patch) * patch

    def pictures(self, images: Sequence[np.ndarray]) -> torch.Tensor:
        """``(n, d)`` unit vectors of the class token."""
        rows = [self._tokens(_pixels(image, self.side, _MEAN, _STD))[:, 0] for image in images]
        return F.normalize(torch.cat(rows), dim=1).cpu()

    def backgrounds(
        self, images: Sequence[np.ndarray], masks: Sequence[np.ndarray]
    ) -> list[torch.Tensor | None]:
        """Unit vectors of what is not the subject.

        The subject is painted in the mean colour, which is 0 to the model, and the mean is taken
        over the patches of which it covers at most a twentieth.

        Args:
            images: ``(H, W, 3)`` uint8 each.
            masks: ``(H, W)`` bool each, the subject.

        Returns:
            ``(d,)`` each; None where no patch is free of the subject.
        """
        return [self._background(*pair) for pair in zip(images, masks, strict=True)]

    def _background(self, image: np.ndarray, mask: np.ndarray) -> torch.Tensor | None:
        pixels = _pixels(image, self.side, _MEAN, _STD)
        seen = np.array(_square(Image.fromarray(mask.astype(np.uint8) * 255), self.side)) > 127
        pixels[..., torch.from_numpy(seen)] = 0
        cells = self.side // self.model.config.patch_size
        free = latent_mask(seen, (cells, cells), hard=False).flatten() <= _COVERED
        if not free.any():
            return None
        patches = self._tokens(pixels)[0, -cells * cells :].cpu()
        return F.normalize(patches[free].mean(0), dim=0)

    @torch.no_grad()
    def _tokens(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.model(pixels.to(self.model.device)).last_hidden_state.float()


def load_clip(name: str = CLIP, device: str = "auto") -> ClipEyes:
    """Load a CLIP model by its Hugging Face id or folder.

    Raises:
        ModelNotFound: not on this machine and not downloadable.
        InputError: not a CLIP model.
    """
    from transformers import AutoTokenizer

    folder = _folder(name, "--clip")
    model = read_folder(folder, {"clip": "CLIPModel"}).eval().requires_grad_(False)
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise ModelNotFound(
            f"The words of {name} are not on this machine and could not be downloaded "
            f"({' '.join(str(error).split())[:200]}). Give --clip "
            f"the folder of one on this machine."
        ) from error
    return ClipEyes(name, model.to(choose_device(device)), tokenizer)


def load_dino(name: str = DINO, device: str = "auto") -> DinoEyes:
    """Load a DINO or DINOv2 model by its Hugging Face id or folder.

    Raises:
        ModelNotFound: not on this machine and not downloadable.
        InputError: not a vision transformer of a known type, or incomplete.
    """
    from transformers import AutoConfig, AutoModel

    folder = _folder(name, "--dino")
    try:
        kind = AutoConfig.from_pretrained(folder).model_type
        if kind not in _VISION_TYPES:
            raise InputError(f"{name} is of type {kind!r}; expected {', '.join(_VISION_TYPES)}.")
        # The published DINO has no pooling layer, and its random numbers would not be used.
        unpooled = {"add_pooling_layer": False} if kind == "vit" else {}
        with quiet():
            model, report = AutoModel.from_pretrained(folder, output_loading_info=True, **unpooled)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name} does not load: {' '.join(str(error).split())[:200]}.") from error
    if report["missing_keys"]:
        raise InputError(f"{name} lacks {', '.join(sorted(report['missing_keys'])[:3])}.")
    return DinoEyes(name, model.eval().requires_grad_(False).to(choose_device(device)))


def _folder(name: str, option: str) -> Any:
    try:
        folder = locate(name)
    except ModelNotFound as error:
        # No model of persam's own stands in for it.
        way_on = f"Give {option} the folder of one on this machine."
        raise ModelNotFound(str(error).replace(WAYS_ON, way_on)) from error
    if folder is None or not folder.is_dir():
        raise InputError(f"{name!r} is no folder of a model and no Hugging Face id of one.")
    return folder


def _pooled(answer: Any) -> torch.Tensor:
    """Features from transformers, which gives them alone or within an output."""
    return answer if isinstance(answer, torch.Tensor) else answer.pooler_output


def _pixels(
    image: np.ndarray, side: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> torch.Tensor:
    """``(1, 3, side, side)``: the short side scaled, the middle taken, colours normalised."""
    square = np.array(_square(Image.fromarray(image), side), dtype=np.float32) / 255
    normal = (square - np.array(mean, np.float32)) / np.array(std, np.float32)
    return torch.from_numpy(normal).permute(2, 0, 1)[None]


def _square(image: Image.Image, side: int) -> Image.Image:
    return ImageOps.fit(image, (side, side), Image.Resampling.BICUBIC)
