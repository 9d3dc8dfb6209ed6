"""What only SAM 2's kind has: the swap of unstable masks, and video checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tiny as tiny_models
import torch
import transformers

from persam.models import sam2
from persam.models.sam2 import Sam2Backbone
from persam.structures import Prompts

if TYPE_CHECKING:
    from pathlib import Path

PROMPTS = Prompts(np.array([[30, 12], [5, 35]]), np.array([1, 0]))


@pytest.mark.parametrize("family", ["sam2", "sam3"])
def test_mask_0_stays_mask_0_even_where_unstable(
    family: str, tiny: Any, random_image: np.ndarray
) -> None:
    backbone = tiny(family)
    embedding = backbone.encode(random_image)
    answer = backbone.decode(embedding, PROMPTS, multimask=False)
    decoder = backbone.model.mask_decoder
    assert np.array_equal(answer.iou[0], tiny_models.raw_scores(backbone, embedding, PROMPTS)[0])
    # At this delta every mask counts as unstable, so transformers' default would swap it.
    delta, decoder.dynamic_multimask_stability_delta = decoder.dynamic_multimask_stability_delta, 50
    try:
        again = backbone.decode(embedding, PROMPTS, multimask=False)
        assert np.array_equal(answer.logits, again.logits)
    finally:
        decoder.dynamic_multimask_stability_delta = delta


def test_a_video_checkpoint_of_sam2_loads_as_picture_model(
    tmp_path: Path, random_image: np.ndarray
) -> None:
    config = transformers.Sam2VideoConfig(
        **tiny_models.sam2_parts(),
        image_size=64,
        memory_attention_hidden_size=32,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=16,
        memory_attention_rope_feat_sizes=[4, 4],
        memory_encoder_hidden_size=32,
        memory_encoder_output_channels=8,
        mask_downsampler_embed_dim=32,
        memory_fuser_embed_dim=32,
        memory_fuser_intermediate_dim=16,
        memory_fuser_num_layers=1,
    )
    video = tiny_models.randomise(transformers.Sam2VideoModel(config), seed=2)
    video.save_pretrained(tmp_path)
    adapted = getattr(transformers, sam2.MODEL_TYPES["sam2_video"]).from_pretrained(tmp_path)
    kept, given = adapted.state_dict(), video.state_dict()
    assert all(torch.equal(tensor, given[name]) for name, tensor in kept.items())
    backbone = Sam2Backbone("video", adapted)
    answer = backbone.decode(backbone.encode(random_image), PROMPTS)
    assert np.isfinite(answer.logits).all()
