"""One object through a clip: frames in, masks of every frame out."""
