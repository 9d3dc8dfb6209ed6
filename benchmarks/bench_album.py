"""Albums: wall time beside the encoder's own, memory, and a second object over a cached album."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from bench_setting import Setting, describe
from lib.speed import every_map
from rounds import Row, Timing, measure, ratio, side_by_side

import persam
from persam.album.embedding_cache import Cache
from persam.album.manifest import Record
from persam.album.run import LoaderOptions, Output, segment_album
from persam.io.images import read_image
from persam.models.runtime.streams import one_stream

# Model -> (photos of the album, photos of the cached one).
MODELS = {"pocket": (500, 100), "vit-b": (6, 3)}
BATCHES = (1, 2, 4, 8, 16)
GOALS, CACHED, GROWTH = {"pocket": 1.15, "vit-b": 1.10}, 10, 1.05
EVERYTHING = ("masks", "cutouts", "overlays", "sheet")
OF_EVERYTHING = 1.6


def rows(setting: Setting, only: str = "") -> Iterator[Row]:
    """The rows of the models whose name has the word."""
    for model in MODELS:
        if only in model:
            yield from _model(setting, model)


def _model(setting: Setting, model: str) -> Iterator[Row]:
    backbone, (size, cached) = setting.ours(model), MODELS[model]
    shown = setting.subject.reference
    concept = persam.personalize(backbone, shown.image, mask=shown.mask)
    every = [photo.image for subject in setting.data.subjects for photo in subject.photos]
    size = setting.photos or size
    mixed, own = setting.album(size, every, "mixed"), setting.own_photos(size, "own")
    for said, photos in ((f"{size} photos of everything", mixed), ("all with the object", own)):
        yield _beside_the_encoder(setting, f"{model}: {said}", concept, photos, GOALS[model])
    if model == "pocket":
        said = f"pocket: {size} photos, with {', '.join(EVERYTHING[1:])}"
        yield _beside_the_encoder(setting, said, concept, mixed, OF_EVERYTHING, EVERYTHING)
        yield _memory(setting, concept, mixed)
    # Each picture once: the cache knows a copy of a photo by its contents.
    yield _cached(setting, model, concept, mixed[: min(cached, len(every))])


def _beside_the_encoder(  # noqa: PLR0913, PLR0917
    setting: Setting,
    said: str,
    concept: persam.Concept,
    photos: list[Path],
    goal: float,
    save: tuple[str, ...] = ("masks",),
) -> Row:
    """Wall time of an album over the time of the encoder alone, on pixels that are laid already.

    The encoder is asked in its best batch, and in streams where the model has any; the quicker
    counts.
    """
    backbone: Any = concept.backbone
    sample = photos[: max(1, len(photos) // setting.rounds)]
    laid = [backbone.preprocess(read_image(photo)) for photo in sample[: max(BATCHES)]]
    batch, passes = _best_batch(backbone, laid), math.ceil(len(sample) / len(laid))

    def encode() -> None:
        for _ in range(passes):
            for start in range(0, len(laid), batch):
                every_map(backbone.encode_preprocessed(laid[start : start + batch]))

    def encode_in_streams() -> None:
        with ThreadPoolExecutor(backbone.streams) as pool:
            list(pool.map(partial(_in_stream, backbone), laid * passes))

    encoded = passes * len(laid)  # at least as many as the album has
    output = Output(setting.folder / "masks", frozenset(save), overwrite=True)
    works = {"album": lambda: segment_album(concept, sample, output), "in batches": encode}
    if backbone.streams > 1:
        works["in streams"] = encode_in_streams
    times = side_by_side(works, setting.rounds)
    album = times.pop("album")
    way = min(times, key=lambda one: times[one].best)
    encoder = times[way]
    share = encoded / len(sample)
    best, typical = share * album.best / encoder.best, share * album.typical / encoder.typical
    detail = {"album": asdict(album), "encoder": asdict(encoder)}
    detail |= {"photos": len(sample), "encoded": encoded, "encoder_asked": way}
    detail |= {"best_batch": batch, **describe(backbone)}
    said = f"{said}, wall time of the encoder's"
    return Row(said, best, goal, at_most=True, typical=typical, detail=detail)


def _in_stream(backbone: Any, laid: Any) -> None:
    with one_stream():
        every_map(backbone.encode_preprocessed([laid]))


def _best_batch(backbone: Any, laid: list[Any]) -> int:
    """The batch that takes least time a picture; every size twice."""
    sizes = [size for size in BATCHES if size <= len(laid)]
    works: dict[str, Callable[[], object]] = {
        str(size): lambda size=size: every_map(backbone.encode_preprocessed(laid[:size]))
        for size in sizes
    }
    times = side_by_side(works, 2)
    return min(sizes, key=lambda size: times[str(size)].best / size)


def _memory(setting: Setting, concept: persam.Concept, photos: list[Path]) -> Row:
    """Memory held at the end of an album over that at a fifth of it."""
    held: dict[int, int] = {}
    numbers = count(1)

    def watch(_: Record) -> None:
        number = next(numbers)
        if number in (max(1, len(photos) // 5), len(photos)):
            held[number] = resident()

    segment_album(concept, photos, Output(setting.folder / "memory", overwrite=True), watch)
    early, late = min(held), max(held)
    said = f"memory after {late} photos of that after {early}"
    megabytes = {str(number): round(size / 1e6) for number, size in held.items()}
    return Row(said, held[late] / held[early], GROWTH, at_most=True, detail={"MB": megabytes})


def resident() -> int:
    """Bytes of this process in memory now; on systems without /proc the most it has held."""
    facts = Path("/proc/self/status")
    if not facts.exists():
        from persam.evaluation.reports import peak_memory

        return peak_memory() or 0
    (line,) = (one for one in facts.read_text().splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def _cached(setting: Setting, model: str, concept: persam.Concept, photos: list[Path]) -> Row:
    """A second object over an album that the first one has left in the cache."""
    other = setting.subject.targets[0]
    second = persam.personalize(concept.backbone, other.image, mask=other.mask)
    output = Output(setting.folder / "cached", overwrite=True)
    pairs = []
    for number in range(setting.rounds):
        loader = LoaderOptions(cache=Cache(setting.folder / f"cache-{model}-{number}"))
        pairs.append(
            [
                measure(
                    lambda one=one, loader=loader: segment_album(one, photos, output, loader=loader)
                )
                for one in (concept, second)
            ]
        )
    first, again = (Timing(*zip(*times, strict=True)) for times in zip(*pairs, strict=True))
    goal = CACHED if model == "vit-b" else None
    said = f"{model}: second object over {len(photos)} cached photos, times faster"
    return ratio(said, first, again, goal, photos=len(photos), **describe(concept.backbone))
