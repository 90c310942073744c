"""Every command once on tiny data, in this process; mistakes end with status 2 and no trace."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
import torch
import yaml

from raypose.cli import main
from raypose.config import load_config
from raypose.inference.annotation.parts import read_annotations
from tests.tiny_runs import REPOSITORY, write_experiment


@pytest.fixture(scope="module")
def run(synthetic_people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a config and of a finished run of it."""
    folder = tmp_path_factory.mktemp("cli")
    config = write_experiment(folder, synthetic_people, train__epochs=1)
    assert main(["train", str(config), "--work-dir", str(folder / "run")]) == 0
    return folder


def test_train_prints_the_numbers_it_writes(
    synthetic_people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_experiment(tmp_path, synthetic_people)
    out = tmp_path / "run"
    line = ["train", str(config), "train.epochs=1", "--work-dir", str(out), "cluster.num_workers=0"]
    assert main(line) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((out / "metrics.json").read_text())
    assert printed["epochs"] == 1
    assert main([*line, "train.epochs=2", "--resume"]) == 0
    assert json.loads(capsys.readouterr().out)["epochs"] == 2
    assert len(torch.load(out / "last.pth", weights_only=True)["history"]) == 2


def test_a_dry_run_prints_the_resolved_config(
    synthetic_people: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    config = write_experiment(tmp_path, synthetic_people)
    assert main(["train", str(config), "train.epochs=7", "--dry-run"]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed == load_config(config, ["train.epochs=7"]).data
    assert printed["model"]["head"]["decoder"]["type"] == "MSRAHeatmap"
    assert not (tmp_path / "work_dirs").exists()


def test_eval_prints_what_the_run_measured(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(run / "tiny.yaml"), str(run / "run" / "last.pth")]) == 0
    printed = json.loads(capsys.readouterr().out)
    written = json.loads((run / "run" / "metrics.json").read_text())
    assert printed == pytest.approx({name: written[name] for name in printed})
    assert printed.keys() == {"PCK", "EPE"}


def test_annotate_and_draw(run: Path, synthetic_people: Path, tmp_path: Path) -> None:
    pictures = synthetic_people / "images" / "val"
    line = ["annotate", str(pictures), "--pose", str(run / "run" / "best.pth")]
    line += ["--out", str(tmp_path / "poses"), "--draw", str(tmp_path / "drawn")]
    assert main(line) == 0
    assert [row["source"] for row in read_annotations(tmp_path / "poses")] == [
        f"00000{i}.jpg" for i in range(5)
    ]
    assert len(list((tmp_path / "drawn").iterdir())) == 5
    config = str(run / "tiny.yaml")
    line = ["annotate", str(pictures), "--pose", config, "--out", str(tmp_path / "poses")]
    line += ["--weights", str(run / "run" / "last.pth"), "annotate.shard_size=5"]
    assert main(line) == 2
    assert main([*line, "--overwrite"]) == 0
    assert len(list((tmp_path / "poses").glob("part-*.parquet"))) == 1


def test_annotate_in_other_formats(
    run: Path, synthetic_people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = synthetic_people / "images" / "val"
    line = ["annotate", str(pictures), "--pose", str(run / "run" / "best.pth")]
    line += ["--out", str(tmp_path / "poses")]
    assert main([*line, "--format", "parquet,cocco"]) == 2
    assert "no format 'cocco'; there are coco, " in capsys.readouterr().err
    assert main([*line, "--format", "parquet,coco,label-studio"]) == 0
    content = json.loads((tmp_path / "poses" / "_formats" / "coco.json").read_text())
    assert len(content["images"]) == len(content["annotations"]) == 5
    tasks = json.loads((tmp_path / "poses" / "_formats" / "label_studio.json").read_text())
    assert [len(task["predictions"][0]["result"]) for task in tasks] == [18] * 5


def test_annotate_several_inputs(run: Path, synthetic_people: Path, tmp_path: Path) -> None:
    pictures = synthetic_people / "images" / "val"
    writer = cv2.VideoWriter(
        str(tmp_path / "walk.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48)
    )
    for _ in range(12):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    line = ["annotate", str(pictures / "*3.jpg"), str(tmp_path / "walk.avi")]
    line += ["annotate.shard_size=2", "--every", "3", "--frames", "0.2s:1s"]
    line += ["--pose", str(run / "tiny.yaml"), "--weights", str(run / "run" / "best.pth")]
    line += ["--out", str(tmp_path / "poses")]
    assert main(line) == 0
    rows = read_annotations(tmp_path / "poses")
    assert [(Path(row["source"]).name, row["frame"]) for row in rows] == [
        ("000003.jpg", 0),
        *(("walk.avi", frame) for frame in (2, 5, 8)),
    ]
    assert main([*line, "--every", "4"]) == 2  # another job than the one in the folder


MMPOSE = """
model = dict(
    type="TopdownPoseEstimator",
    backbone=dict(type="ResNet", depth=18),
    head=dict(
        type="HeatmapHead",
        in_channels=512,
        out_channels=17,
        loss=dict(type="KeypointMSELoss", use_target_weight=True),
        decoder=dict(
            type="MSRAHeatmap", input_size=(192, 256), heatmap_size=(48, 64), sigma=2
        ),
    ),
)
"""


def test_import_mmpose(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.py").write_text(MMPOSE)
    out = tmp_path / "new" / "config.yaml"
    assert main(["import-mmpose", str(tmp_path / "config.py"), "-o", str(out)]) == 0
    assert "executing" in capsys.readouterr().err
    assert load_config(out).data["model"]["backbone"]["depth"] == 18
    assert main(["import-mmpose", str(tmp_path / "config.py")]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == yaml.safe_load(out.read_text())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            "train {run}/tiny.yaml train.epohcs=3",
            "train.epohcs: unknown key. Did you mean 'epochs'",
        ),
        ("train {run}/tiny.yaml model.head.in_channels=9", "made for 9 channels, got 8"),
        ("train no_such_config", "no config 'no_such_config'"),
        ("train {run}/tiny.yaml data.train.dataset.ann_file=x.json --work-dir {tmp}", "x.json"),
        ("eval {run}/tiny.yaml missing.pth", "no checkpoint at missing.pth"),
        ("annotate {tmp}/none --pose {run}/run/best.pth --out {tmp}/out", "no such file or folder"),
        ("annotate {run}/rum --pose {run}/run/best.pth --out {tmp}/out", "Did you mean 'run'?"),
        ("annotate {run} --frames 5 --pose {run}/tiny.yaml --out {tmp}/out", "such as 100:500"),
        ("annotate a.b=1 --pose {run}/tiny.yaml --out {tmp}/out", "name what is to be annotated"),
        ("annotate {tmp} --pose {run}/tiny.yaml --out {tmp}/out", "names no weights"),
        ("serve {tmp}/serve.yaml", "serve.yaml:1: prot: unknown key. Did you mean 'port'?"),
        ("import-mmpose {tmp}/missing.py", "missing.py"),
    ],
)
def test_mistakes_are_told_without_a_trace(
    run: Path, tmp_path: Path, line: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "serve.yaml").write_text("prot: 8000\npose: {weights: x.pth}\n")
    words = [word.format(run=run, tmp=tmp_path) for word in line.split()]
    assert main(words) == 2
    captured = capsys.readouterr()
    assert any(text.startswith("raypose: ") for text in captured.err.splitlines())
    assert reason in captured.err
    assert "Traceback" not in captured.err
    assert not captured.out


def test_an_interrupted_command_says_nothing(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("raypose.distributed.train.train", interrupt)
    assert main(["train", str(run / "tiny.yaml")]) == 130
    assert not capsys.readouterr().out


@pytest.mark.parametrize("name", ["train", "annotate", "serve", "evaluate"])
def test_pipelines_take_the_arguments_of_their_commands(name: str) -> None:
    command = {"evaluate": "eval"}.get(name, name)
    done = subprocess.run(
        [sys.executable, f"pipelines/{name}.py", "--help"],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: raypose {command} ")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_job_trains_on_the_cluster_it_was_submitted_to(
    ray_session: None, synthetic_people: Path, tmp_path: Path
) -> None:
    import ray

    # What `ray job submit` does: the entrypoint runs beside the cluster, whose address it is given.
    address = ray.get_runtime_context().gcs_address
    environment = {"env_vars": {"PYTHONPATH": str(REPOSITORY)}}
    config = write_experiment(tmp_path, synthetic_people, train__epochs=1, data__loader="ray")
    done = subprocess.run(
        [
            sys.executable,
            str(REPOSITORY / "pipelines" / "train.py"),
            str(config),
            "--work-dir",
            str(tmp_path / "run"),
            "cluster.num_workers=1",
        ],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "RAY_ADDRESS": address,
            "RAY_JOB_CONFIG_JSON_ENV_VAR": json.dumps({"runtime_env": environment}),
        },
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert "epoch 1/1" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_serve_answers_until_it_is_told_to_stop(run: Path, tmp_path: Path) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    shutil.copy(run / "run" / "best.pth", tmp_path)
    (tmp_path / "serve.yaml").write_text(f"port: {port}\npose: {{weights: best.pth}}\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "raypose.cli", "serve", str(tmp_path / "serve.yaml")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=REPOSITORY,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == f"serving on http://127.0.0.1:{port}/v1/pose\n"
    answer = httpx.post(f"http://127.0.0.1:{port}/v1/pose", content=b"a text", timeout=60)
    assert answer.status_code == 400
    limit = "max_image_bytes: 5\n"
    with (tmp_path / "serve.yaml").open("a") as file:
        file.write(limit)
    process.send_signal(signal.SIGHUP)
    assert process.stdout.readline() == f"reloaded {tmp_path / 'serve.yaml'}\n"
    answer = httpx.post(f"http://127.0.0.1:{port}/v1/pose", content=b"a text", timeout=60)
    assert answer.json()["detail"] == "the image has 6 bytes, at most 5 are accepted"
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    process.stdout.close()


def test_a_reader_that_leaves_is_no_mistake() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "raypose.cli", "weights", "list"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
