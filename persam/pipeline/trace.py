"""Every stage of one picture's way as plain arrays by name: what ``trace=True`` keeps.

:data:`STAGES` names them all with their shapes; ``docs/trace.md`` is the same table with words.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from persam.pipeline.decoder import Step
    from persam.pipeline.detection import Detection
    from persam.pipeline.features import SearchTarget
    from persam.structures import Embedding

# c, h, w: the decoder's features; d, g, v: the matching features; m: side of the decoder's masks;
# k: 1 or 3 masks; n: any number; H, W: the picture.
STAGES: Mapping[str, str] = MappingProxyType(
    {
        "ref_embedding": "(c, h, w)",
        "ref_foreground": "(g, v)",
        "ref_mask": "(H, W)",
        "ref_similarity": "(g, v)",
        "ref_point_xy": "(n, 2)",
        "ref_logits": "(3, m, m)",
        "loss_trace_step_dice_focal": "(n, 3)",
        "target_feature": "(d,)",
        "target_embedding": "(c,)",
        "weights": "(3,)",
        "test_embedding": "(c, h, w)",
        "similarity": "(g, v)",
        "points_xy": "(n, 2)",
        "point_labels": "(n,)",
        "point_xy": "(n, 2)",
        "prior_mask": "(m, m)",
        "attention_similarity": "(h, w)",
        "step1_logits": "(k, m, m)",
        "step1_iou": "(k,)",
        "step1_weighted_logits": "(m, m)",
        "step2_logits": "(k, m, m)",
        "step2_iou": "(k,)",
        "step2_box_xyxy": "(4,)",
        "step3_logits": "(k, m, m)",
        "step3_iou": "(k,)",
        "step3_box_xyxy": "(4,)",
        "second_look_box_xyxy": "(4,)",
        "final_step": "()",
        "final_index": "()",
        "final_mask": "(H, W)",
    }
)


def trace_of(
    target: SearchTarget,
    embedding: Embedding,
    detection: Detection,
    steps: Sequence[Step],
    final: Step | None,
) -> dict[str, np.ndarray]:
    """What was found on the way.

    Args:
        target: the object.
        embedding: the picture.
        detection: where the object seems to be.
        steps: the decoder's; none where the object is absent.
        final: whose mask is the answer; None where the object is absent.
    """
    return _detected(target, embedding, detection) | _decoded(embedding, steps, final)


def _detected(
    target: SearchTarget, embedding: Embedding, detection: Detection
) -> dict[str, np.ndarray]:
    prompts, guidance = detection.prompts, detection.guidance
    found = {
        "test_embedding": embedding.features[0],
        "similarity": detection.similarity,
        "points_xy": prompts.points,
        "point_labels": prompts.labels,
        "target_feature": target.features.target_feature,
        "target_embedding": target.features.target_embedding,
    }
    if guidance is not None and guidance.attention is not None:
        found["attention_similarity"] = guidance.attention.reshape(embedding.features.shape[2:])
    if prompts.mask is not None:
        found["prior_mask"] = prompts.mask[0]
    if target.weights is not None:
        found["weights"] = np.array(target.weights)
        found["point_xy"] = prompts.points[prompts.labels == 1]
    return found


def _decoded(
    embedding: Embedding, steps: Sequence[Step], final: Step | None
) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for step in steps:
        name = f"step{step.number}"
        found[f"{name}_logits"] = step.answer.logits
        found[f"{name}_iou"] = step.answer.iou
        if step.index is None:
            found[f"{name}_weighted_logits"] = step.logits[0]
        if step.prompts.box is not None:  # the pixels in two corners, as the decoder is asked
            found[f"{name}_box_xyxy"] = np.array(step.prompts.box, dtype=np.int64) - (0, 0, 1, 1)
    if final is None:
        size = (embedding.frame.height, embedding.frame.width)
        return found | {"final_mask": np.zeros(size, dtype=np.uint8)}
    found["final_step"] = np.array(final.number)
    found["final_index"] = np.array(-1 if final.index is None else final.index)
    return found | {"final_mask": final.mask.astype(np.uint8)}
