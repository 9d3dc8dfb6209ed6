"""Several methods over one data set, which share the encodings of its pictures."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from persam.evaluation import datasets
from persam.evaluation.baselines.adapter import adapter
from persam.evaluation.baselines.free_weights import free_weights
from persam.evaluation.baselines.prompt_tuning import prompt_tuning
from persam.evaluation.predictions import Predictions
from persam.evaluation.running import Job, predict
from persam.methods.fit import Schedule
from persam.methods.persam import personalize


def masks(predictions: Predictions) -> dict[tuple[str, str], np.ndarray]:
    return {key: predictions.read(*key, (40, 60)) for key in predictions.found}


@pytest.mark.parametrize("family", ["sam", "pocket"])
@pytest.mark.parametrize("baseline", [adapter, prompt_tuning, free_weights])
def test_a_baseline_beside_another_method_finds_what_it_finds_alone(
    drawn, tmp_path, tiny, family, baseline
):
    data = datasets.perseg(drawn, objects=["dog_1", "mug_1"])
    methods = [personalize, partial(baseline, schedule=Schedule(steps=3)), personalize]
    together = [
        Job(method, Predictions.start(tmp_path / f"{number}", {}))
        for number, method in enumerate(methods)
    ]
    predict(together, tiny(family), data)
    first, tuned, last = (masks(job.predictions) for job in together)
    assert len(first) == len(tuned) == 4
    alone = Job(methods[1], Predictions.start(tmp_path / "alone", {}))
    predict([alone], tiny(family), data)
    for key, mask in masks(alone.predictions).items():
        assert np.array_equal(tuned[key], mask)
        assert np.array_equal(first[key], last[key])  # the model is itself again afterwards
    assert {one.parameters for one in together[1].predictions.learnt.values()} != {0}
    assert together[1].predictions.failures == {}
