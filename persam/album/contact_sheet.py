"""The contact sheet: one HTML file that holds its pictures and opens anywhere, offline."""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from persam.io import drawing, writers

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from persam.album.manifest import FoundObject, Record

_SIDE = 320

_STYLE = """
:root { color-scheme: light dark; --ground: #f6f6f4; --card: #fff; --ink: #1c1c1a; --soft: #6b6b66;
  --line: #deded9; --bad: #b3261e; --check: #e4e4e0; }
@media (prefers-color-scheme: dark) { :root { --ground: #161615; --card: #20201e; --ink: #ececea;
  --soft: #9c9c96; --line: #35352f; --bad: #f2857d; --check: #33332f; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem clamp(1rem, 4vw, 3rem); background: var(--ground);
  color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.4rem; } header p { margin: .25rem 0 1.5rem; color: var(--soft); }
main { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(280px, 1fr)); }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  overflow: hidden; }
.pictures { display: grid; grid-template-columns: 1fr 1fr; }
.pictures img, .pictures span { width: 100%; height: 170px; object-fit: contain; }
.pictures span { display: grid; place-items: center; color: var(--soft); }
figure > img { width: 100%; height: 170px; object-fit: contain; }
.cutout { background: 0 / 16px 16px
  repeating-conic-gradient(var(--check) 0 25%, transparent 0 50%); }
figcaption { padding: .6rem .8rem; overflow-wrap: anywhere; }
figcaption span { color: var(--soft); font-variant-numeric: tabular-nums; }
.failed { border-color: var(--bad); } .failed span { color: var(--bad); }
"""


@dataclass(frozen=True)
class Tile:
    """The two small pictures of one photo.

    Attributes:
        overlay: JPEG, the photo with the object tinted.
        cutout: WebP, the object alone, cropped; None where the mask is empty.
    """

    overlay: bytes
    cutout: bytes | None


def make_tile(
    image: np.ndarray,
    mask: np.ndarray,
    points: Sequence[drawing.MarkedPoint] = (),
    *,
    drawn: np.ndarray | None = None,
) -> Tile:
    """Draw one photo's tile.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        mask: ``(H, W)`` bool.
        points: ``(x, y, label)`` in pixels.
        drawn: the photo with the object marked, where that is drawn already.
    """
    marked = drawing.overlay(image, mask, points) if drawn is None else drawn
    overlay = writers.jpeg(drawing.thumbnail(marked, _SIDE))
    if not mask.any():
        return Tile(overlay, None)
    area = drawing.around(mask)
    cropped = drawing.cutout(image[area], mask[area])
    return Tile(overlay, writers.webp(drawing.thumbnail(cropped, _SIDE)))


def sheet_page(
    records: Sequence[Record], tiles: Sequence[Tile | None], reference: bytes = b""
) -> bytes:
    """The contact sheet of an album, HTML in UTF-8.

    Args:
        records: what became of each photo.
        tiles: their pictures in the same order, None for failed ones.
        reference: JPEG of what was taken for the object in its reference; empty for none.
    """
    figures = "\n".join(_figure(record, tile) for record, tile in zip(records, tiles, strict=True))
    if reference:
        figures = f"{_reference(reference)}\n{figures}"
    failed = sum(record.error is not None for record in records)
    counts = f"{len(records) - failed} masks" + (f", {failed} failed" if failed else "")
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>persam: {counts}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>Found objects</h1><p>{counts}</p></header>\n"
        f"<main>\n{figures}\n</main>\n</body>\n</html>\n"
    )
    return page.encode("utf-8", errors="replace")


def _reference(picture: bytes) -> str:
    shown = _picture(picture, "jpeg", "the reference with the object marked", "photo")
    return (
        f"<figure>{shown}<figcaption><b>The reference</b><br>"
        "<span>tinted: what was taken for the object</span></figcaption></figure>"
    )


def _figure(record: Record, tile: Tile | None) -> str:
    source = Path(record.input)
    name = f'<b title="{html.escape(str(source))}">{html.escape(source.name)}</b>'
    if record.error is not None or tile is None:
        return (
            f'<figure class="failed"><figcaption>{name}<br>'
            f"<span>{html.escape(record.error or 'no picture')}</span></figcaption></figure>"
        )
    cut = '<span class="cutout">nothing found</span>'
    if tile.cutout is not None:
        cut = _picture(tile.cutout, "webp", "the object alone", "cutout")
    return (
        f'<figure><div class="pictures">'
        f"{_picture(tile.overlay, 'jpeg', 'the photo with the object marked', 'photo')}{cut}</div>"
        f"<figcaption>{name}<br><span>{html.escape(_facts(record))} · {record.seconds:.2f} s</span>"
        f"</figcaption></figure>"
    )


def _facts(record: Record) -> str:
    if record.found is None:
        return _numbers(record)
    if not record.found:
        return "nothing found"
    return " · ".join(f"{one.object or one.label}: {_numbers(one)}" for one in record.found)


def _numbers(one: Record | FoundObject) -> str:
    if one.score is None:
        return "mask changed by hand"
    score = f"score {one.score:.3f}"
    return score if one.presence is None else f"{score} · presence {one.presence:.3f}"


def _picture(data: bytes, kind: str, text: str, name: str) -> str:
    inline = base64.b64encode(data).decode("ascii")
    return f'<img class="{name}" alt="{text}" src="data:image/{kind};base64,{inline}">'
