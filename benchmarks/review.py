"""Corrections by doubt against corrections at random, on an album of many objects.

    python benchmarks/review.py DATA [--model pocket] [--json benchmarks/review.json]

Every object is learnt from its first photo and found in its others, among the photos of seven more
objects. A corrected photo has the right mask from then on, and is a further reference of its
object. Reported: mIoU over all photos of an album after 0, 1, 2, 4 and 8 corrected ones, and over
those that were not corrected; by doubt, and at random (mean of several orders). Weights of the
signs are fitted on the first half of the albums (persam/album/doubt.py has them), figures are of
the other half. DATA holds Images/OBJECT/*.jpg and Annotations/OBJECT/*.png.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np

from persam.album.doubt import WEIGHTS, doubt_signs
from persam.io.images import read_image
from persam.io.masks import read_mask
from persam.methods.persam import personalize
from persam.metrics import iou
from persam.models.loading import load

STEPS = (0, 1, 2, 4, 8)
OBJECTS = 8  # in an album
ORDERS = 3


class Album:
    """The photos of some objects, and what was found in them."""

    def __init__(self, backbone, folder: Path, names: list[str]) -> None:
        self.backbone, self.names = backbone, names
        self.photos = {name: sorted((folder / "Images" / name).glob("*.jpg"))[1:] for name in names}
        self.truth = {}
        self.embeddings = {}
        for name, photos in self.photos.items():
            for photo in photos:
                image = read_image(photo)
                mask = folder / "Annotations" / name / f"{photo.stem}.png"
                self.truth[photo] = read_mask(mask, image.shape[:2]) > 127
                self.embeddings[photo] = backbone.encode(image)
        self.first = {}
        self.shapes = {}
        for name in names:
            photo = sorted((folder / "Images" / name).glob("*.jpg"))[0]
            mask = folder / "Annotations" / name / f"{photo.stem}.png"
            self.first[name] = personalize(backbone, photo, mask=mask)
            self.shapes[name] = [read_mask(mask, read_image(photo).shape[:2]) > 127]

    def state(self) -> tuple[dict, dict]:
        concepts, shapes = dict(self.first), {n: list(s) for n, s in self.shapes.items()}
        return concepts, shapes

    def look(self, name: str, concepts: dict, shapes: dict) -> dict:
        """IoU and signs of the photos of one object."""
        found = {}
        for photo in self.photos[name]:
            one, signs = doubt_signs({name: concepts[name]}, self.embeddings[photo], shapes)[name]
            found[photo] = (float(iou(one.mask, self.truth[photo])), signs)
        return found

    def correct(self, photo: Path, concepts: dict, shapes: dict) -> str:
        name = photo.parent.name
        mask = self.truth[photo]
        concepts[name] = concepts[name].correct(photo, mask=mask.astype(np.uint8) * 255)
        shapes[name].append(mask)
        return name


def doubt_of(signs: object, weights: dict[str, float]) -> float:
    """The expected error by weights that need not be the library's yet."""
    return sum(weights[name] * value for name, value in asdict(signs).items())


def run(album: Album, first: dict, order: np.random.Generator | None, weights: dict) -> dict:
    """mIoU of all and of the uncorrected photos after each number of corrections."""
    concepts, shapes = album.state()
    found, corrected, rows = dict(first), [], {}
    for step in range(max(STEPS) + 1):
        if step in STEPS:
            left = [value for photo, (value, _) in found.items() if photo not in corrected]
            rows[step] = (float(np.mean([*left, *[1.0] * len(corrected)])), float(np.mean(left)))
        open_photos = [photo for photo in found if photo not in corrected]
        if order is None:
            photo = max(open_photos, key=lambda one: doubt_of(found[one][1], weights))
        else:
            photo = open_photos[int(order.integers(len(open_photos)))]
        corrected.append(photo)
        found |= album.look(album.correct(photo, concepts, shapes), concepts, shapes)
    return rows


def fitted(pairs: list[tuple[float, object]]) -> dict[str, float]:
    """Weights of the signs, not below 0, by least squares of the error."""
    from scipy.optimize import nnls

    signs = np.array([list(asdict(one).values()) for _, one in pairs])
    errors = np.array([1 - value for value, _ in pairs])
    weights, _ = nnls(signs, errors)
    return {name: round(float(w), 3) for name, w in zip(WEIGHTS, weights, strict=True)}


def _first(album: Album) -> dict:
    concepts, shapes = album.state()
    found = {}
    for name in album.names:
        found |= album.look(name, concepts, shapes)
    return found


def _pairs(album: Album) -> list[tuple[float, object]]:
    """IoU and signs of answers from one reference, and from two, which can disagree."""
    pairs = list(_first(album).values())
    for name in album.names:
        concepts, shapes = album.state()
        photo = album.photos[name][0]
        album.correct(photo, concepts, shapes)
        found = album.look(name, concepts, shapes)
        pairs += [one for other, one in found.items() if other != photo]
    return pairs


def measured(albums: Iterable[Album], weights: dict) -> dict:
    """The figures of albums that the weights were not fitted on."""
    doubt, chance, likely = [], [], []
    for album in albums:
        first = _first(album)
        likely += [(value, doubt_of(signs, weights)) for value, signs in first.values()]
        doubt.append(run(album, first, None, weights))
        orders = (np.random.default_rng(seed) for seed in range(ORDERS))
        chance += [run(album, first, order, weights) for order in orders]
    values, doubts = np.array(likely).T
    return {
        "albums": len(doubt),
        "photos_in_an_album": OBJECTS * 4,
        "weights_fitted_on_other_albums": weights,
        "rank_correlation_of_doubt_and_error": round(_rank(doubts, 1 - values), 3),
        "miou_all_photos": _table(doubt, chance, 0),
        "miou_uncorrected_photos": _table(doubt, chance, 1),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--albums", type=int, default=6)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    backbone = load(options.model, device="cpu")
    names = sorted(path.name for path in (options.folder / "Images").iterdir())
    # Every third object after the other, so that an album has few objects of one class.
    names = [name for start in range(3) for name in names[start::3]][: OBJECTS * options.albums]
    groups = [names[start : start + OBJECTS] for start in range(0, len(names), OBJECTS)]
    albums = (Album(backbone, options.folder, group) for group in groups)
    half = len(groups) // 2
    weights = fitted([pair for album in islice(albums, half) for pair in _pairs(album)])
    command = f"python benchmarks/review.py {options.folder.name}"
    figures = measured(albums, weights)
    text = json.dumps({"command": command, "model": backbone.name} | figures, indent=1)
    sys.stdout.write(f"{text}\n")
    if options.json is not None:
        options.json.write_text(f"{text}\n", encoding="utf-8")


def _rank(one: np.ndarray, other: np.ndarray) -> float:
    ranks = [np.argsort(np.argsort(values)) for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


def _table(doubt: list[dict], chance: list[dict], column: int) -> dict[str, dict[str, float]]:
    return {
        str(step): {
            "by_doubt": round(float(np.mean([rows[step][column] for rows in doubt])), 4),
            "at_random": round(float(np.mean([rows[step][column] for rows in chance])), 4),
        }
        for step in STEPS
    }


if __name__ == "__main__":
    main()
