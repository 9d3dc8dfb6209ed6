"""PerSAM-F's two numbers: seconds of the fit, and the loss that it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace

import plain
from bench_setting import Setting
from rounds import Row, Timing, ratio, side_by_side

from persam.methods.fit import Fitted, fit
from persam.methods.persam import learn
from persam.methods.persam_f import lesson
from persam.pipeline.reference import Reference, encode_reference
from persam.variants import Variant

# The decoder is the same behind every official encoder; what the encoder is does not matter here.
MODELS = ("mobile", "pocket")
TIMES = 100


def rows(setting: Setting, only: str = "") -> Iterator[Row]:
    """The rows of the models whose name has the word."""
    for model in MODELS:
        if only in model:
            yield from _model(setting, model)


def _model(setting: Setting, model: str) -> Iterator[Row]:
    shown, steps = setting.subject.reference, 5 if setting.quick else plain.STEPS
    slow = plain.Fitting(setting.plain(model), shown.image, shown.mask)
    backbone = setting.exact(model)
    # The scripts' own prompts, so that both fit the same three masks.
    recipe = replace(Variant.named("official", "persam-f"), fit="fast")
    reference = encode_reference(backbone, Reference(shown.image, mask=shown.mask), recipe)
    concept = learn(backbone, [reference], recipe)
    kept: dict[str, plain.Fit | Fitted] = {}

    def ours() -> None:
        kept["ours"] = fit([lesson(concept, reference)], "fast")

    def plainly() -> None:
        kept["plain"] = slow.run(steps)

    fast: Timing = side_by_side({"ours": ours}, max(5, setting.rounds))["ours"]
    long = side_by_side({"plain": plainly}, 1, warm=False)["plain"]
    again: Timing = side_by_side({"ours": ours}, max(5, setting.rounds))["ours"]
    both = Timing(fast.wall + again.wall, fast.cpu + again.cpu)
    size = f"{slow.embedding.frame.width}x{slow.embedding.frame.height}"
    facts = {"model": model, "steps": steps, "photo": size, "seconds": both.best}
    yield ratio(
        f"{model}: PerSAM-F's fit, times faster than {steps} steps", long, both, TIMES, **facts
    )
    losses = {name: slow.loss(*found.weights[1:]) for name, found in kept.items()}
    weights = {name: list(found.weights) for name, found in kept.items()}
    yield Row(
        f"{model}: PerSAM-F's loss, ours over theirs",
        losses["ours"] / losses["plain"],
        goal=1.0,
        at_most=True,
        detail=facts | {"losses": losses, "weights": weights, "long": asdict(long)},
    )
