"""The video memory of SAM 2's kind: an object's mask in one frame -> its masks in the next ones.

transformers' video models do the arithmetic, unchanged. Here is what they lack for clips of any
length and for pictures that are encoded already: features handed in instead of pixels, memories
dropped once no later frame reads them, and an object that can be shown again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from transformers import Sam2VideoInferenceSession

from persam.errors import InputError
from persam.models.files import read_folder
from persam.models.tensors import to_array, to_tensor

if TYPE_CHECKING:
    import numpy as np

    from persam.models.base import Backbone
    from persam.structures import Embedding

# transformers class of the picture model -> config.json's model_type -> class of the video model.
VIDEO_TYPES = {
    "Sam2Model": {"sam2_video": "Sam2VideoModel"},
    "EdgeTamModel": {"edgetam_video": "EdgeTamVideoModel"},
}
# A session could hold many objects, but then steps them all, lost or not; each has its own here.
OBJECT = 0


@dataclass(frozen=True, eq=False)
class Followed:
    """What the memory says of one object in one frame.

    Attributes:
        logits: ``(m, m)`` float32; above 0 is object. Far below 0 everywhere without presence.
        presence: logit of the object being in the frame; the family draws the line at 0.
    """

    logits: np.ndarray
    presence: float

    @property
    def present(self) -> bool:
        """Whether the model sees the object in the frame."""
        return self.presence > 0


@dataclass(frozen=True, eq=False)
class VideoMemory:
    """A family's video model over a backbone's own weights.

    Attributes:
        model: with its memory's tensors; all others are the picture model's own, held once. Its
            switches are the family's: an unstable mask 0 gives way to one of masks 1..3 here,
            which :class:`~persam.models.sam2.Sam2Backbone` has switched off for pictures.
    """

    model: Any

    def remember(self, seeds: int = 4) -> ObjectMemory:
        """Start a memory of one object, with nothing in it yet.

        Args:
            seeds: how many of the frames that :meth:`ObjectMemory.seed` was given are kept.
        """
        return ObjectMemory(self.model, seeds)


class ObjectMemory:
    """What the video model remembers of one object; changes with every frame.

    Frames go forward, each at most once through :meth:`follow`; :meth:`seed` may come instead of
    it, or after it where the object was lost and has been found otherwise.

    Attributes:
        session: transformers' record of what is remembered. It holds the masks of up to ``seeds``
            shown frames and as many followed frames as the next one reads, however long the clip.
    """

    def __init__(self, model: Any, seeds: int = 4) -> None:
        self._model = model
        self._seeds = seeds
        config = model.config
        # The next frame reads the spatial memory of so many frames before it, and so many pointers.
        self._spatial = config.num_maskmem - 1
        self._pointers = config.max_object_pointers_in_encoder - 1
        device = model.no_memory_embedding.device
        # EdgeTAM's session is a copy of this class.
        self.session: Any = Sam2VideoInferenceSession(
            inference_device=device,
            inference_state_device=device,
            video_storage_device=device,
            dtype=torch.float32,
        )
        self.session.obj_id_to_idx(OBJECT)

    @property
    def seeded(self) -> bool:
        """Whether the object has been shown; without that there is nothing to follow."""
        return bool(self._outputs("cond"))

    def seed(self, frame: int, embedding: Embedding, mask: np.ndarray) -> None:
        """Show the object in a frame.

        A mask so thin that none of the model's pixels is half covered says: not in this frame.

        Args:
            frame: its number, at least that of the frame before.
            embedding: the frame, as the picture backbone encodes it.
            mask: ``(height, width)`` bool, in the frame's pixels.
        """
        # A frame that was followed already would keep its wrong answer beside this one.
        self._outputs("non_cond").pop(frame, None)
        self.session.add_mask_inputs(OBJECT, frame, self._resized(mask))
        self.session.obj_with_new_inputs = [OBJECT]
        self._step(frame, embedding)
        self.session.remove_mask_inputs(OBJECT, frame)

    def follow(self, frame: int, embedding: Embedding) -> Followed:
        """Find the object in the frame after the last one.

        Args:
            frame: its number, above that of the frame before.
            embedding: the frame, as the picture backbone encodes it.

        Raises:
            InputError: the object has not been shown yet.
        """
        if not self.seeded:
            raise InputError("There is nothing to follow yet: seed the memory with a mask first.")
        output = self._step(frame, embedding)
        return Followed(to_array(output.pred_masks[0, 0]), float(output.object_score_logits))

    def _step(self, frame: int, embedding: Embedding) -> Any:
        session = self.session
        session.cache.cache_vision_features(frame, self._features(embedding))
        # The pixels are never read, since the features are there. Handing in a frame, any, is what
        # tells the model that the clip has no known end.
        output = self._model(session, frame_idx=frame, frame=torch.empty(0))
        session.cache.clear_all()
        session.processed_frames.clear()
        session.frames_tracked_per_obj[OBJECT].clear()
        self._forget(frame)
        return output

    def _features(self, embedding: Embedding) -> dict[str, list[torch.Tensor]]:
        """The maps as the video model's own encoder step leaves them, ``(h * w, 1, c)`` each."""
        model = self._model
        place = model.no_memory_embedding.device
        given = [to_tensor(one, place) for one in (*embedding.extras, embedding.features)]
        maps = [_flat(tensor) for tensor in given]
        # The picture model adds this to say "no memory"; here there is one.
        maps[-1] = maps[-1] - model.no_memory_embedding
        encode_position = model.vision_encoder.neck.position_encoding
        features = given[-1]
        position = encode_position(features.shape, features.device, features.dtype)
        return {"vision_feats": maps, "vision_pos_embeds": [_flat(position)]}

    def _resized(self, mask: np.ndarray) -> torch.Tensor:
        """A mask in the model's square, ``(1, 1, side, side)``, as the family's processor does."""
        side = self._model.image_size
        full = torch.from_numpy(mask)[None, None].float().to(self.session.inference_device)
        square = F.interpolate(
            full, (side, side), mode="bilinear", align_corners=False, antialias=True
        )
        return (square >= 0.5).float()

    def _forget(self, frame: int) -> None:
        """Drop what no frame after this one reads."""
        followed, seeds = self._outputs("non_cond"), self._outputs("cond")
        for number in list(followed):
            if number <= frame - max(self._spatial, self._pointers):
                del followed[number]
            elif number <= frame - self._spatial:
                followed[number] = {"object_pointer": followed[number]["object_pointer"]}
        # The first was shown by the user, or is what all others came from; the latest are nearest.
        order = sorted(seeds)
        for number in order[1 : max(1, len(order) - self._seeds + 1)]:
            del seeds[number]
        for output in (*followed.values(), *seeds.values()):
            output.pop("high_res_masks", None)
            output.pop("pred_masks", None)

    def _outputs(self, kind: str) -> dict[int, dict[str, Any]]:
        return self.session.output_dict_per_obj[OBJECT][f"{kind}_frame_outputs"]


def video_memory(backbone: Backbone) -> VideoMemory:
    """Load the video memory that belongs to a backbone, from the folder it was loaded from.

    Args:
        backbone: SAM 2 or EdgeTAM, perhaps within a wrapper.

    Returns:
        The family's video model. It shares every tensor that it has in common with the backbone;
        only the memory's own, a small part, come on top.

    Raises:
        InputError: another family, a model that was not loaded from a folder, or a folder without
            the memory's tensors.
    """
    picture = getattr(backbone, "model", None)
    family = VIDEO_TYPES.get(type(picture).__name__)
    if picture is None or family is None:
        raise InputError(
            f"{backbone.name} has no video memory; of the families here, SAM 2 and EdgeTAM have "
            f'one. Load one of these, as persam.load("sam2.1-hiera-tiny"), or track without it.'
        )
    video = _read(picture.name_or_path, backbone.name, family)
    # The tensors themselves go over, not copies: the video model's own are freed.
    video.load_state_dict(picture.state_dict(), strict=False, assign=True)
    place = picture.no_memory_embedding.device
    return VideoMemory(video.to(place).eval().requires_grad_(False))


def _read(folder: str, name: str, family: dict[str, str]) -> Any:
    advice = "Published checkpoints of SAM 2 and EdgeTAM hold it; load one by its name or folder."
    if not folder:
        raise InputError(
            f"{name} was not loaded from a folder, so it has no video memory. {advice}"
        )
    try:
        return read_folder(Path(folder), family)
    except InputError as error:
        raise InputError(f"The video memory of {name} does not load: {error} {advice}") from error


def _flat(tensor: torch.Tensor) -> torch.Tensor:
    """``(1, c, h, w)`` to ``(h * w, 1, c)``."""
    return tensor.flatten(2).permute(2, 0, 1)
