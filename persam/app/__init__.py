"""The local web page: show an object by clicking, see it found, put it right, take it away."""

from __future__ import annotations
