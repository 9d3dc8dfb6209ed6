"""Draws what each label file says of a sample picture: python docs/tools/make_pictures.py.

The pictures of supervision, FiftyOne and ComfyUI are made where these packages and torch are
installed (persam[tools], persam[torch]).
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from persam import samples
from persam.io import drawing
from persam.io.images import read_image
from persam.io.labels import (
    Label,
    LabelClass,
    LabelledPicture,
    LabelSet,
    read_label_set,
    write_label_set,
)
from persam.io.masks import read_mask
from persam.io.writers import jpeg, write_bytes

HERE = Path(__file__).parent
FORMATS = ("coco", "yolo", "labelme", "cvat", "label-studio", "voc", "supervisely")


def main() -> None:
    """Write a picture a format."""
    photo, mask = samples.files(samples.PICTURES, 2)
    image = read_image(photo)
    truth = read_mask(mask, image.shape[:2]) > 127
    label = Label.of_mask("plush dog", truth)
    picture = LabelledPicture(photo.name, truth.shape, (label,), photo)
    labels = LabelSet((LabelClass(5, "plush dog", "#3366cc"),), (picture,))
    for name in FORMATS:
        with TemporaryDirectory() as folder:
            write_label_set(labels, Path(folder) / "out", name)
            (found,) = read_label_set(Path(folder) / "out").pictures[0].labels
        drawn = drawing.overlay_labels(image, found.mask.astype(np.uint8))
        for ring in found.polygons:
            for x, y in ring.astype(int):
                drawn[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = (255, 255, 0)
        _write(f"labels-{name}", drawn)
    _write("supervision", _by_supervision(labels, image))
    _write("fiftyone", _by_fiftyone(labels))
    _write("comfyui", _by_comfyui(image, truth))


def _write(name: str, drawn: np.ndarray) -> None:
    small = drawing.thumbnail(drawn, 400)
    write_bytes(HERE / f"{name}.jpg", jpeg(np.asarray(small), quality=80))


def _by_supervision(labels: LabelSet, image: np.ndarray) -> np.ndarray:
    import supervision

    from persam.integrations.supervision import labels_to_detections

    detections = labels_to_detections(labels.pictures[0], labels)
    scene = supervision.MaskAnnotator().annotate(image.copy(), detections)
    return supervision.LabelAnnotator().annotate(scene, detections)


def _by_fiftyone(labels: LabelSet) -> np.ndarray:
    from fiftyone.utils import annotations

    from persam.integrations.fiftyone import to_samples

    (sample,) = to_samples(labels)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "drawn.png"
        annotations.draw_labeled_image(sample, str(path), label_fields=["persam"])
        return read_image(path)


def _by_comfyui(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Cut out, on white, as ComfyUI previews it."""
    import torch

    from persam.integrations.comfyui import NODE_CLASS_MAPPINGS

    picture = torch.from_numpy(image / 255.0)[None].float()
    node = NODE_CLASS_MAPPINGS["PersamCutOut"]()
    (cut,) = node.cut(picture, torch.from_numpy(mask)[None].float())
    colours, alpha = cut[0, ..., :3].numpy(), cut[0, ..., 3:].numpy()
    return ((colours * alpha + 1 - alpha) * 255).round().astype(np.uint8)


if __name__ == "__main__":
    main()
