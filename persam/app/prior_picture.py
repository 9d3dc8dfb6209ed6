"""Where an object seems to be in a photo, as a picture: the location prior."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from persam.app.renditions import fitted, grey_png

if TYPE_CHECKING:
    from persam.app.photos import MediaFile
    from persam.app.session import Session


def confidence_png(session: Session, photo: MediaFile, name: str, side: int) -> bytes:
    """The location prior of an object in a photo, 0 the least and 255 the most likely place.

    Raises:
        InputError: nothing shows the object, or the photo cannot be read.
    """
    one, model = session.named(name), session.model
    concept = model.maker.concept(one)
    embedding = model.photos.get(photo)
    found = np.asarray(concept.locate(embedding).prior, dtype=np.float32)
    low, high = float(found.min()), float(found.max())
    grey = ((found - low) / max(high - low, 1e-6) * 255).astype(np.uint8)
    height, width = fitted(grey.shape, side)
    return grey_png(np.array(Image.fromarray(grey).resize((width, height))))
