"""Everything that a page needs to begin with, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from persam import __version__
from persam.album.doubt import WEIGHTS
from persam.app import hand_masks
from persam.app.objects import as_json
from persam.io.labels import FORMATS

if TYPE_CHECKING:
    from persam.app.session import Session


def session_json(session: Session) -> dict[str, Any]:
    """Everything that a page needs to begin with."""
    session.media.scan()
    objects = session.state.objects
    photos = [session.results.describe(one, objects) for one in session.media.photos.values()]
    folder = session.media.folder
    return {
        "version": __version__,
        "folder": None if folder is None else folder.name,
        "run": str(session.run),
        "model": session.model_state(),
        "objects": [as_json(one) for one in objects],
        "photos": photos,
        "clips": [{"id": c.id, "name": c.path.name} for c in session.media.clips.values()],
        "progress": session.job.progress.to_json(),
        "minPresence": session.state.min_presence,
        "defaultPresence": session.default_presence(),
        "doubtWeights": WEIGHTS,
        "labelFormats": {name: form.title for name, form in FORMATS.items()},
        "unlearnt": len(hand_masks.unlearnt(session.state)),
    }
