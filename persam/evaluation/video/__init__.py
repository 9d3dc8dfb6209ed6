"""How well objects are followed through clips: DAVIS's protocol, beside that of the pictures."""
