from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import persam
from persam.errors import InputError
from persam.evaluation import ablation, datasets
from persam.evaluation.ablation_plan import plan
from persam.evaluation.benchmark import evaluate
from persam.evaluation.reference_prompts import KINDS, with_reference
from persam.evaluation.running import EncodeOnce
from persam.variants import Variant

OFFICIAL = replace(Variant.named("official", "persam"), fit="fast")


def names(rows, table: str) -> list[str]:
    return [row.name for row in rows if row.table == table]


def test_the_official_table_is_the_papers():
    rows = plan("default")
    official = [row for row in rows if row.table == "official"]
    assert names(rows, "official") == [*ablation.ABLATION, "PerSAM-F's own recipe"]
    bare, negative, refined, guided, full, scaled, own = (row.variant for row in official)
    assert bare == replace(
        OFFICIAL,
        negative_point=False,
        refine_mask=False,
        refine_box=False,
        guided_attention=False,
        semantic_prompt=False,
    )
    assert negative == replace(bare, negative_point=True)
    assert refined == replace(negative, refine_mask=True, refine_box=True)
    assert guided == replace(refined, guided_attention=True)
    assert full == OFFICIAL
    assert scaled == OFFICIAL
    assert own == replace(Variant.named("official", "persam-f"), fit="fast")
    assert [row.method for row in official] == ["persam"] * 5 + ["persam-f"] * 2


def test_a_recipe_with_more_parts_has_its_own_table():
    rows = plan("pocket")
    assert names(plan("official"), "own") == []
    assert names(plan("default"), "own")[4:] == [
        "+ semantic prompt",
        "+ points on parts",
        "+ absence",
        "+ scale weights",
        "PerSAM-F's own recipe",
    ]
    assert names(rows, "own") == [
        "positive point",
        "+ negative point",
        "+ refinement",
        "+ contrast with the background",
        "+ smoothed similarity",
        "+ location prior as mask",
        "+ points on parts",
        "+ box in the first refinement",
        "+ one piece",
        "+ second look",
        "+ absence",
        "+ scale weights",
        "PerSAM-F's own recipe",
    ]
    own = [row for row in rows if row.table == "own"]
    assert own[-3].variant == Variant.named("pocket", "persam")
    assert own[-1].variant == Variant.named("pocket", "persam-f")
    bare = own[0].variant
    assert bare.contrast == bare.prior_mask == bare.second_look == 0


def test_the_official_fit_can_be_had():
    rows = plan("default", fit="official")
    official = [row for row in rows if row.table.startswith("official")]
    assert {row.variant.fit for row in official} == {"official"}


@pytest.mark.parametrize("own", ["default", "pocket"])
def test_references_are_shown_in_four_ways_to_both_methods_by_both_recipes(own):
    for table, recipe in (("official references", "official"), ("references", own)):
        rows = [row for row in plan(own) if row.table == table]
        assert [(row.method, row.reference) for row in rows] == [
            (method, kind) for method in ("persam", "persam-f") for kind in KINDS
        ]
        for row in rows:
            assert replace(row.variant, fit="fast") == replace(
                Variant.named(recipe, row.method), fit="fast"
            )


def test_a_row_is_what_evaluate_gives_for_its_recipe(drawn, tmp_path, tiny):
    backbone, data = tiny("sam"), datasets.perseg(drawn)
    rows = [row for row in plan("default") if row.table == "official"][3:6]
    found = ablation.ablate(backbone, data, rows, out=tmp_path / "out")
    for measured in found.rows:
        learn = persam.finetune if measured.row.method == "persam-f" else persam.personalize

        def alone(backbone, image, *, mask, learn=learn, variant=measured.row.variant):
            return learn(backbone, image, mask=mask, variant=variant)

        report = evaluate(alone, backbone, data)
        assert (measured.miou, measured.biou) == (report.miou, report.biou)
    assert [measured.paper for measured in found.rows] == [85.8, 89.3, 95.3]
    again = ablation.ablate(backbone, data, rows, out=tmp_path / "out")
    assert again.rows == found.rows
    with pytest.raises(InputError, match="learner"):
        ablation.ablate(backbone, data, rows[::-1], out=tmp_path / "out")


def test_tables_and_json(drawn, tmp_path, tiny):
    data = datasets.perseg(drawn, objects=["dog_1"])
    rows = [row for row in plan("default") if row.table == "references"]
    found = ablation.ablate(tiny("sam"), data, rows, settings={"precision": "fp32"})
    text = found.markdown()
    assert text.count("\n| persam |") == text.count("\n| persam-f |") == 4
    # The paper's figures beside the mask and the filled box, and not where the model made the mask.
    paper = {tuple(row[1:3]): row[-1] for row in map(cut, text.splitlines()[2:]) if row}
    assert [paper["persam", kind] for kind in KINDS] == ["89.3", "", "88.1", ""]
    assert [paper["persam-f", kind] for kind in KINDS] == ["95.3", "", "94.9", ""]
    assert "SegGPT" not in text
    found.write(tmp_path / "ablation.json")
    read = json.loads((tmp_path / "ablation.json").read_text())
    assert read["settings"]["precision"] == "fp32"
    assert read["settings"]["model"] == "tiny-sam"
    assert [row["row"]["reference"] for row in read["rows"]] == [*KINDS, *KINDS]
    assert read["rows"][0]["row"]["variant"]["guided_attention"] is True
    assert read["seconds"] > 0


def cut(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")[:-1]]


def test_published_references_stand_below_the_official_ones(drawn, tiny):
    data = datasets.perseg(drawn, objects=["dog_1"])
    rows = [row for row in plan("default") if row.table == "official references"][:1]
    text = ablation.ablate(tiny("sam"), data, rows).markdown()
    assert "| SegGPT, as published | filled box |  |  |  | 36.0 |" in text
    assert "| Visual Prompting, as published | mask |  |  |  | 65.9 |" in text


def test_seconds_are_the_logged_ones_whether_or_not_it_was_resumed(drawn, tmp_path, tiny):
    data = datasets.perseg(drawn, objects=["dog_1"])
    rows = [row for row in plan("default") if row.table == "references"][:2]
    rows = [row for row in rows if row.reference == "mask"] + [rows[0]]
    first = ablation.ablate(tiny("sam"), data, rows, out=tmp_path / "out")
    logs = [path.read_text() for path in (tmp_path / "out").glob("*/predictions.jsonl")]
    lines = [json.loads(line) for log in logs for line in log.splitlines()]
    logged = sum(fields["seconds"] for line in lines for fields in line.values())
    assert first.seconds == pytest.approx(logged, abs=0.06)
    again = ablation.ablate(tiny("sam"), data, rows, out=tmp_path / "out")
    assert again.seconds == first.seconds
    assert again.environment == first.environment


def test_a_row_that_learns_nothing_is_told(drawn, tiny):
    class Blank(EncodeOnce):
        """Sees nothing wherever it is asked by a box."""

        def decode(self, embedding, prompts, **options):
            answer = super().decode(embedding, prompts, **options)
            alone = prompts.box is not None and len(prompts.points) == 0
            return replace(answer, logits=-np.abs(answer.logits) - 1) if alone else answer

    rows = [row for row in plan("default") if row.table == "references"][:2]
    found = ablation.ablate(Blank(tiny("sam")), datasets.perseg(drawn), rows)
    assert list(found.rows[1].failed) == ["dog_1", "dog_2", "mug_1"]
    assert found.rows[1].miou == 0
    assert not found.rows[0].failed
    assert found.markdown().splitlines()[2].endswith("| failed |")


def test_pictures_are_encoded_once(drawn, tiny):
    class Counting(EncodeOnce):
        encoded = 0

        def encode_batch(self, images):
            Counting.encoded += len(images)
            return super().encode_batch(images)

    rows = [row for row in plan("default") if row.table == "references"]
    rows = [row for row in rows if row.reference in ("mask", "filled box")]
    ablation.ablate(Counting(tiny("sam")), datasets.perseg(drawn), rows)
    assert Counting.encoded == 9  # three objects of three photos


def test_only_so_much_of_the_mask_is_seen():
    mask = np.zeros((8, 9), dtype=bool)
    mask[1:6, 2:5] = True
    mask[1, 2] = False
    image = np.zeros((8, 9, 3), dtype=np.uint8)
    seen = {
        kind: with_reference(lambda *_, **given: given, kind)(None, image, mask=mask)
        for kind in KINDS
    }
    assert np.array_equal(seen["mask"]["mask"], mask)
    assert seen["box"] == {"box": (2, 1, 5, 6)}  # edges: beyond the last pixel
    filled = np.zeros_like(mask)
    filled[1:6, 2:5] = True
    assert np.array_equal(seen["filled box"]["mask"], filled)
    [(x, y)] = seen["point"]["points"]
    assert mask[y, x]
    assert (x, y) == (3, 3)
