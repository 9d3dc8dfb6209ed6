"""Why an answer is what it is: every stage of one search, as pictures with a sentence each."""

from __future__ import annotations

from persam.explanation.explain import Explanation, explain
from persam.explanation.sections import Panel, Section

__all__ = ["Explanation", "Panel", "Section", "explain"]
