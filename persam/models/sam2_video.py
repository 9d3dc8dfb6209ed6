"""The video memory of SAM 2's kind: an object's mask in one frame -> its masks in the next ones.

transformers' video models do the arithmetic, unchanged. Here is what they lack for clips of any
length and for pictures that are encoded already: features handed in instead of pixels, memories
dropped once no later frame reads them, and an object that can be shown again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from transformers import Sam2VideoInferenceSession

from persam.errors import InputError
from persam.models.memory_choice import FrameChooser, MemoryChoice
from persam.models.tensors import to_array, to_tensor

if TYPE_CHECKING:
    import numpy as np

    from persam.structures import Embedding

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

    def remember(self, seeds: int = 4, choice: MemoryChoice | None = None) -> ObjectMemory:
        """Start a memory of one object, with nothing in it yet.

        Args:
            seeds: how many of the frames that :meth:`ObjectMemory.seed` was given are kept.
            choice: which followed frames are remembered; None for all, as the family does.
        """
        return ObjectMemory(self.model, seeds, choice)


class ObjectMemory:
    """What the video model remembers of one object; changes with every frame.

    Frames go forward, each at most once through :meth:`follow`; :meth:`seed` may come instead of
    it, or after it where the object was lost and has been found otherwise.

    Attributes:
        session: transformers' record of what is remembered. It holds the masks of up to ``seeds``
            shown frames and as many followed frames as the next one reads, however long the clip.
    """

    def __init__(self, model: Any, seeds: int = 4, choice: MemoryChoice | None = None) -> None:
        self._model = model
        self._seeds = seeds
        self._chooser = None if choice is None else FrameChooser(choice)
        self._anchors: list[int] = []
        self._kept_anchors = 0 if choice is None else choice.anchors
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
        self._anchors = [number for number in self._anchors if number != frame]
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
        if self._chooser is None:
            output = self._step(frame, embedding)
        else:
            output = self._chosen_step(self._chooser, frame, embedding)
        return Followed(to_array(output.pred_masks[0, 0]), float(output.object_score_logits))

    def _chosen_step(self, chooser: FrameChooser, frame: int, embedding: Embedding) -> Any:
        """A step whose frame is remembered only where the choice says so."""
        answers: list[tuple[torch.Tensor, torch.Tensor]] = []
        # The session keeps the best of the decoder's masks alone; the others say what else is like
        # the object.
        hook = self._model.mask_decoder.register_forward_hook(
            lambda _, __, out: answers.append((out[0], out[1]))
        )
        try:
            output = self._step(frame, embedding)
        finally:
            hook.remove()
        masks, scores = (to_array(one[0, 0]) for one in answers[-1])
        present = bool(output.object_score_logits > 0)
        place = chooser.place(frame, list(masks > 0), scores, present=present)
        if place != "window":
            remembered = self._outputs("non_cond").pop(frame)
            if place == "anchor":
                self._outputs("cond")[frame] = remembered
                self._anchors.append(frame)
                self._forget(frame)
        return output

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
        anchors = self._anchors
        for number in anchors[: max(0, len(anchors) - self._kept_anchors)]:
            del seeds[number]
        self._anchors = anchors[max(0, len(anchors) - self._kept_anchors) :]
        order = sorted(set(seeds) - set(self._anchors))
        for number in order[1 : max(1, len(order) - self._seeds + 1)]:
            del seeds[number]
        for output in (*followed.values(), *seeds.values()):
            output.pop("high_res_masks", None)
            output.pop("pred_masks", None)

    def _outputs(self, kind: str) -> dict[int, dict[str, Any]]:
        return self.session.output_dict_per_obj[OBJECT][f"{kind}_frame_outputs"]


def _flat(tensor: torch.Tensor) -> torch.Tensor:
    """``(1, c, h, w)`` to ``(h * w, 1, c)``."""
    return tensor.flatten(2).permute(2, 0, 1)
