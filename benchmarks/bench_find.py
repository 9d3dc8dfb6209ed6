"""`persam find` over an album that is in the cache: photos a second."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from bench_setting import Setting, describe
from rounds import Row, side_by_side

import persam
from persam.album.cache_entry import CacheEntry
from persam.album.embedding_cache import Cache
from persam.album.run import LoaderOptions
from persam.album.search import search
from persam.io.images import read_image

PHOTOS, GOAL = 10_000, 300


def rows(setting: Setting, only: str = "") -> Iterator[Row]:
    """One row: the built-in model."""
    if only not in "pocket":
        return
    backbone = setting.ours("pocket")
    shown = setting.subject.reference
    concept = persam.personalize(backbone, shown.image, mask=shown.mask)
    count = setting.photos or PHOTOS
    cache = Cache(setting.folder / "find-cache", 10**12)
    sources = [photo.image for subject in setting.data.subjects for photo in subject.photos]
    photos = _cached_album(setting, sources, count, cache, backbone)
    loader = LoaderOptions(cache=cache)
    times = side_by_side({"find": lambda: search(concept, photos, loader=loader)}, setting.rounds)
    best, typical = (count / seconds for seconds in (times["find"].best, times["find"].typical))
    said = f"pocket: find over {count} cached photos, photos a second"
    yield Row(said, best, GOAL, typical=typical, detail={"photos": count, **describe(backbone)})


def _cached_album(
    setting: Setting, sources: list[Path], count: int, cache: Cache, backbone: persam.Backbone
) -> list[Path]:
    """A folder of photos, all of them in the cache, each by its own contents.

    A copy differs from its source in a few bytes behind the picture; its entry is the source's.
    """
    identity = backbone.identity
    entries = [CacheEntry.of(backbone.encode(read_image(source))) for source in sources[:count]]
    folder = setting.folder / "find"
    folder.mkdir()
    made = []
    for number in range(count):
        source = sources[number % len(sources)]
        made.append(folder / f"{number:05d}{source.suffix}")
        shutil.copyfile(source, made[-1])
        with made[-1].open("ab") as file:
            file.write(number.to_bytes(4, "little"))
        cache.put(cache.key(made[-1], identity), entries[number % len(sources)])
    return made
