"""Logs of other tools: what they read back is what was noted, and a run goes on in its log."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from raypose.errors import ConfigError
from raypose.training.logs.opening import open_logs
from raypose.training.logs.run_log import RunLog, noted_id

PICTURE = np.full((30, 40, 3), (250, 100, 20), np.uint8)


def note(folder: Path, name: str, done: int, step: int, loss: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text("train: {epochs: 3, clip_grad: null}\nmodel: {type: A}\n")
    (log,) = open_logs([name], folder, done)
    log.write(step, {"loss": loss, "lr": 0.1})
    log.write(step, {"coco/AP (M)": 0.25})
    log.show(step, "samples", PICTURE)
    log.close()


def test_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    proto: Any = importlib.import_module("tensorboardX.proto.event_pb2")
    note(tmp_path, "tensorboard", 0, 10, 2.0)
    (file,) = (tmp_path / "tensorboard").iterdir()
    found: dict[str, Any] = {}
    data = file.read_bytes()
    while data:
        # Each record: its length, a checksum of that, the event, a checksum of it.
        length = int.from_bytes(data[:8], "little")
        event = proto.Event.FromString(data[12 : 12 + length])
        found.update({value.tag: (event.step, value) for value in event.summary.value})
        data = data[16 + length :]
    assert {name: step for name, (step, _) in found.items()} == dict.fromkeys(
        ("loss", "lr", "coco/AP__M_", "samples"), 10
    )
    assert found["loss"][1].simple_value == 2.0
    image = found["samples"][1].image
    assert (image.width, image.height) == (40, 30)
    decoded = cv2.imdecode(np.frombuffer(image.encoded_image_string, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    np.testing.assert_allclose(decoded, PICTURE, atol=3)


def test_wandb_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    # In a process of its own: wandb leaves a service and threads behind.
    script = (
        "from pathlib import Path; from tests.training.test_logs import note; import sys; "
        "note(Path(sys.argv[1]), 'wandb', int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))"
    )
    for name, value in (("WANDB_MODE", "offline"), ("WANDB_SILENT", "true")):
        monkeypatch.setenv(name, value)
    run = tmp_path / "walk"
    for done, step, loss in ((0, 10, 2.0), (10, 20, 1.0)):
        words = [sys.executable, "-c", script, str(run), str(done), str(step), str(loss)]
        subprocess.run(words, check=True, timeout=100)
    identity = (run / "wandb_run").read_text().strip()
    files = sorted((run / "wandb").glob(f"offline-run-*-{identity}/run-{identity}.wandb"))
    assert len(files) == 2, "both parts are of one run"
    rows = [row for file in files for row in history_of(file)]
    assert [row["_step"] for row in rows] == [10, 20]
    assert [row["loss"] for row in rows] == [2.0, 1.0]
    assert rows[0]["coco/AP (M)"] == 0.25
    assert (rows[0]["samples/width"], rows[0]["samples/height"]) == (40, 30)


def history_of(file: Path) -> list[dict[str, Any]]:
    """Return the rows that wandb wrote to a file for its server."""
    proto: Any = importlib.import_module("wandb.proto.wandb_internal_pb2")
    rows = []
    for data in records_of(file.read_bytes()):
        record = proto.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            names = [item.key or "/".join(item.nested_key) for item in items]
            rows.append({n: json.loads(i.value_json) for n, i in zip(names, items, strict=True)})
    return rows


def records_of(data: bytes) -> Iterator[bytes]:
    """Yield the records of a file in LevelDB's log format behind a header of 7 bytes."""
    at, record = 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:  # no room for a header: the block ends here
            at += 32768 - at % 32768
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        record += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield record
            record = b""


def test_mlflow_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow: Any = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    run = tmp_path / "walk"
    note(run, "mlflow", 0, 10, 2.0)
    note(run, "mlflow", 10, 20, 1.0)
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("raypose")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.run_name == "walk"
    assert found.info.status == "FINISHED"
    assert found.info.run_id == (run / "mlflow_run").read_text().strip()
    losses = client.get_metric_history(found.info.run_id, "loss")
    assert [(m.step, m.value) for m in losses] == [(10, 2.0), (20, 1.0)]
    assert found.data.metrics["coco/AP _M_"] == 0.25
    assert found.data.params == {"train.epochs": "3"}
    folder = Path(client.download_artifacts(found.info.run_id, "", str(tmp_path)))
    assert (folder / "config.yaml").is_file()
    pictures = [cv2.imread(str(path)) for path in sorted((folder / "samples").iterdir())]
    assert [p.shape for p in pictures if p is not None] == [(30, 40, 3)] * 2


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("tensorboard", "tensorboardX", "logs"),
        ("wandb", "wandb", "wandb"),
        ("mlflow", "mlflow", "mlflow"),
    ],
)
def test_a_package_that_is_not_there(
    name: str, package: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    message = rf"train.loggers: '{name}' needs the package {package}: pip .*raypose\[{extra}\]'"
    with pytest.raises(ConfigError, match=message):
        open_logs([name], tmp_path, 0)


def test_every_log_is_opened_once(tmp_path: Path) -> None:
    logs: list[RunLog] = open_logs(["csv", "csv"], tmp_path / "new", 0)
    assert len(logs) == 1
    assert (tmp_path / "new" / "log.csv").is_file()


def test_an_id_is_kept_by_a_run_that_goes_on(tmp_path: Path) -> None:
    names = iter("abc")
    note = tmp_path / "id"
    assert [noted_id(note, done, lambda: next(names)) for done in (5, 5, 0, 7)] == [
        "a",
        "a",
        "b",
        "b",
    ]
