"""Sections as one HTML page that needs no other file and no network."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

from persam.io.writers import jpeg

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from persam.explanation.sections import Panel, Section

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --accent: #d81b60; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .25rem; }
dl { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; margin: 0; }
dt { opacity: .7; } dd { margin: 0; font-weight: 600; } dl div { display: flex; gap: .4rem; }
section { border-top: 1px solid var(--line); }
.panels { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; }
figure { margin: 0; max-width: 100%; } figcaption { font-size: .85rem; opacity: .85; }
img { display: block; max-width: 100%; border-radius: 4px; outline: 1px solid var(--line); }
.chosen img { outline: 4px solid var(--accent); }
.chosen figcaption::after { content: " \\2014 taken"; color: var(--accent); font-weight: 600; }
"""


def page(title: str, facts: Mapping[str, str], sections: Sequence[Section]) -> str:
    """The whole document.

    Args:
        title: of the page.
        facts: shown below the title, by name.
        sections: in their order.
    """
    listed = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in facts.items()
    )
    body = "\n".join(_section(section) for section in sections)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)} - persam</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n<dl>{listed}</dl>\n{body}\n</body>\n</html>\n"
    )


def _section(section: Section) -> str:
    pictures = "\n".join(_panel(panel) for panel in section.panels)
    shown = f'\n<div class="panels">\n{pictures}\n</div>' if pictures else ""
    return (
        f"<section>\n<h2>{escape(section.title)}</h2>\n<p>{escape(section.text)}</p>"
        f"{shown}\n</section>"
    )


def _panel(panel: Panel) -> str:
    kind = ' class="chosen"' if panel.chosen else ""
    height, width = panel.pixels.shape[:2]
    picture = f'<img src="{_data(panel.pixels)}" width="{width}" height="{height}" '
    return (
        f'<figure{kind} style="width: {width}px">{picture}alt="{escape(panel.caption)}">'
        f"<figcaption>{escape(panel.caption)}</figcaption></figure>"
    )


def _data(pixels: np.ndarray) -> str:
    """A picture as a data URL: JPEG, which keeps a page of photos small."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg(pixels, quality=88)).decode()}"
