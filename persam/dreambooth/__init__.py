"""DreamBooth on the subject alone: masks for other trainers, a masked loss, a trainer, scores.

``masked_loss`` and ``latent_mask`` are all that another training loop needs.
"""

from persam.dreambooth.losses import masked_loss
from persam.dreambooth.masks import latent_mask

__all__ = ["latent_mask", "masked_loss"]
