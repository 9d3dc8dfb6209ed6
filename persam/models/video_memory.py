"""The video memory that belongs to a loaded SAM 2 or EdgeTAM, out of the same folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from persam.errors import InputError
from persam.models.files import read_folder
from persam.models.sam2_video import VideoMemory

if TYPE_CHECKING:
    from persam.models.base import Backbone

# transformers class of the picture model -> config.json's model_type -> class of the video model.
VIDEO_TYPES = {
    "Sam2Model": {"sam2_video": "Sam2VideoModel"},
    "EdgeTamModel": {"edgetam_video": "EdgeTamVideoModel"},
}


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
