"""The protocol of Label Studio's ML backends, spoken over HTTP; answers checked by its SDK."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import plush
import pytest

pytest.importorskip("starlette", reason="pip install 'persam[app]'")
pytest.importorskip("httpx2", reason="starlette's test client needs it")
from starlette.testclient import TestClient

from persam.integrations.label_studio import LabelBackend
from persam.integrations.label_studio_server import create_backend_app
from persam.io.concept_set import read_concept_set
from persam.io.labels.brush import decode_brush
from persam.io.labels.label_studio_writer import regions_of

CONFIG = """<View><Image name="photo" value="$image"/>
<BrushLabels name="tag" toName="photo"><Label value="plush dog"/><Label value="cat"/></BrushLabels>
<KeyPointLabels name="kp" toName="photo" smart="true"><Label value="plush dog"/></KeyPointLabels>
</View>"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(3):
        plush.photo_in(tmp_path / "photos", number)
    return tmp_path / "photos"


@pytest.fixture
def client(photos: Path, tmp_path: Path) -> TestClient:
    backend = LabelBackend(tmp_path / "set.safetensors", photos, device="cpu")
    return TestClient(create_backend_app(backend))


def task(number: int) -> dict[str, object]:
    address = f"/data/upload/1/0a1b2c3d-photo{number}.jpg"
    return {"id": number, "data": {"image": address}}


def event(number: int) -> dict[str, object]:
    label = plush.Label.of_mask("plush dog", plush.truth(number))
    annotation = {"id": 1, "result": regions_of(label, "r"), "completed_by": 1}
    return {"action": "ANNOTATION_CREATED", "annotation": annotation, "task": task(number)}


def mask_of(prediction: dict[str, object]) -> np.ndarray:
    (region,) = prediction["result"]
    size = region["original_height"], region["original_width"]
    return decode_brush(region["value"]["rle"], size)


def test_labels_become_references_and_other_tasks_are_predicted(client: TestClient, tmp_path: Path):
    assert client.get("/health").json()["status"] == "UP"
    first = client.post("/setup", json={"project": "1.2", "schema": CONFIG}).json()
    body = {"tasks": [task(2)], "label_config": CONFIG, "project": "1.2"}
    assert client.post("/predict", json=body).json()["results"][0]["result"] == []

    assert client.post("/webhook", json=event(0)).json()["learnt"]
    after = client.post("/setup", json={"project": "1.2", "schema": CONFIG}).json()
    assert after["model_version"] != first["model_version"]
    answer = client.post("/predict", json=body).json()
    (prediction,) = answer["results"]
    assert plush.iou(mask_of(prediction), plush.truth(2)) > 0.7
    (region,) = prediction["result"]
    assert (region["from_name"], region["to_name"], region["type"]) == (
        "tag",
        "photo",
        "brushlabels",
    )
    assert 0 < prediction["score"] <= 1

    assert client.post("/webhook", json=event(1)).json()["learnt"]
    kept = read_concept_set(tmp_path / "set.safetensors")  # survives a restart
    assert [one.name for one in kept.labels.pictures] == ["photo0.jpg", "photo1.jpg"]


def test_label_studios_sdk_accepts_the_predictions(client: TestClient):
    interface = pytest.importorskip("label_studio_sdk.label_interface")
    client.post("/webhook", json=event(0))
    body = {"tasks": [task(2)], "label_config": CONFIG}
    (prediction,) = client.post("/predict", json=body).json()["results"]
    assert (
        interface.LabelInterface(CONFIG).validate_prediction(prediction, return_errors=True) == []
    )


def test_a_click_gives_a_mask_at_once(client: TestClient):
    rows, columns = np.nonzero(plush.truth(2))
    height, width = plush.truth(2).shape
    middle = {"x": 100 * columns.mean() / width, "y": 100 * rows.mean() / height, "width": 1}
    click = {
        "type": "keypointlabels",
        "is_positive": 1,
        "value": middle | {"keypointlabels": ["plush dog"]},
    }
    box = {
        "type": "rectanglelabels",
        "value": {
            "x": 100 * columns.min() / width,
            "y": 100 * rows.min() / height,
            "width": 100 * np.ptp(columns) / width,
            "height": 100 * np.ptp(rows) / height,
            "rectanglelabels": ["plush dog"],
        },
    }
    for marks in ([click], [box], [click, box]):
        body = {
            "tasks": [task(2)],
            "label_config": CONFIG,
            "params": {"context": {"result": marks}},
        }
        (prediction,) = client.post("/predict", json=_plain(body)).json()["results"]
        assert plush.iou(mask_of(prediction), plush.truth(2)) > 0.5


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.item() if isinstance(value, np.generic) else value


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        (
            "/predict",
            {"tasks": [{"data": {"image": "gone.jpg"}}], "label_config": CONFIG},
            "gone.jpg is not in",
        ),
        ("/predict", {"tasks": 3, "label_config": CONFIG}, "should be a list"),
        ("/predict", {"tasks": [], "label_config": "<View/>"}, "needs one of <BrushLabels>"),
        ("/setup", {"schema": "<View"}, "is not XML"),
        ("/setup", {"schema": "<!DOCTYPE x><View/>"}, "declares entities"),
        ("/webhook", {"action": "ANNOTATION_CREATED"}, "the annotation is None"),
    ],
)
def test_what_cannot_be_used_is_one_clear_line(path, body, said, client: TestClient):
    answer = client.post(path, json=body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert client.post(path, content=b"{").status_code == 400


def test_events_that_teach_nothing(client: TestClient):
    assert not client.post("/webhook", json={"action": "PROJECT_UPDATED"}).json()["learnt"]
    nothing = event(0) | {"annotation": {"result": []}}
    assert not client.post("/webhook", json=nothing).json()["learnt"]
    assert client.post("/train", json={}).json()["status"] == "ok"
    assert len(client.get("/versions").json()["versions"]) == 1
