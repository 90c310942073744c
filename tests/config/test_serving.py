"""The file of `raypose serve`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from raypose.config import load_serve_config
from raypose.errors import ConfigError
from tests.config.conftest import MODEL, Write


def test_files_beside_the_serve_file_are_found(write: Write, tmp_path: Path) -> None:
    for name in ("demo/config.yaml", "demo/best.pth", "demo/person.onnx"):
        write(name, "")
    path = write(
        "demo/serve.yaml",
        "port: 9000\npose: {config: config.yaml, weights: best.pth}\n"
        "detector: {model: person.onnx, num_replicas: 2}\n",
    )
    section = load_serve_config(path, ["host=0.0.0.0", "pose.max_batch_size=4"])
    assert (section.host, section.port) == ("0.0.0.0", 9000)
    assert section.pose.config == str(tmp_path / "demo" / "config.yaml")
    assert section.pose.weights == str(tmp_path / "demo" / "best.pth")
    assert section.pose.max_batch_size == 4
    assert section.detector is not None
    assert section.detector.model == str(tmp_path / "demo" / "person.onnx")
    assert section.detector.num_replicas == 2
    assert section.lifter is None


def test_a_config_by_name(write: Write, repository: Path) -> None:
    name = "td-hm_res50_8xb64-210e_coco-256x192"
    write("w.pth", "")
    section = load_serve_config(write("s.yaml", f"pose: {{config: {name}, weights: w.pth}}\n"))
    assert section.pose.config is not None
    assert Path(section.pose.config).is_relative_to(repository / "configs")


def test_the_config_of_an_experiment_serves_its_own_model(write: Write) -> None:
    path = write("exp.yaml", MODEL + "serve: {port: 9001}\n")
    section = load_serve_config(path, ["serve.max_instances=5"])
    assert section.pose.config == str(path)
    assert (section.port, section.max_instances) == (9001, 5)


def test_weights_may_be_an_address_and_a_config_an_alias(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write("configs/animal_2d_keypoint/rtmpose/ap10k/rtmpose-m_8xb64-210e_ap10k-256x256.yaml", "")
    monkeypatch.setattr("raypose.config.lookup.config_folders", lambda: [tmp_path / "configs"])
    text = "pose: {config: animal, weights: 'https://example.org/a.pth'}\n"
    section = load_serve_config(write("s.yaml", text))
    assert section.pose.weights == "https://example.org/a.pth"
    assert section.pose.config is not None
    assert Path(section.pose.config).name == "rtmpose-m_8xb64-210e_ap10k-256x256.yaml"


def test_weights_may_hold_their_config(write: Write, tmp_path: Path) -> None:
    for name in ("best.pth", "lift.pth"):
        write(name, "")
    text = "pose: {weights: best.pth}\nlifter: {weights: lift.pth}\n"
    section = load_serve_config(write("s.yaml", text))
    assert section.pose.config is None
    assert section.pose.named_models["pose"].source == str(tmp_path / "best.pth")
    assert section.lifter is not None
    assert section.lifter.source == str(tmp_path / "lift.pth")


def test_several_pose_models(write: Write, tmp_path: Path) -> None:
    for name in ("body.pth", "hand.pth", "hand.yaml"):
        write(name, "")
    text = "pose:\n  models:\n    body: {weights: body.pth}\n"
    text += "    hand: {config: hand.yaml, weights: hand.pth}\n"
    models = load_serve_config(write("s.yaml", text)).pose.named_models
    assert list(models) == ["body", "hand"]
    assert models["body"].source == str(tmp_path / "body.pth")
    assert models["hand"].source == str(tmp_path / "hand.yaml")
    assert models["hand"].weights == str(tmp_path / "hand.pth")


@pytest.fixture
def problems(write: Write) -> Callable[..., list[str]]:
    def function(text: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load_serve_config(write("s.yaml", text))
        return caught.value.problems

    return function


def test_every_mistake_at_once(problems: Callable[..., list[str]], write: Write) -> None:
    write("weights.pth", "")
    text = (
        "prot: 8000\npose:\n  config: no_such_config\n  weights: weight.pth\n"
        "  num_replicas: 0\nlifter: {config: x.pth}\n"
    )
    found = problems(text)
    assert found[0].startswith("s.yaml:1: prot: unknown key. Did you mean 'port'?")
    assert found[1].startswith("s.yaml:3: pose.config: there is no config 'no_such_config'")
    assert found[2:] == [
        "s.yaml:4: pose.weights: there is no file 'weight.pth'. Did you mean 'weights.pth'?",
        "s.yaml:5: pose.num_replicas: got 0, expected greater than 0",
        "s.yaml:6: lifter.config: there is no file 'x.pth'.",
    ]


def test_models_are_needed(problems: Callable[..., list[str]]) -> None:
    assert problems("port: 8000\nlifter: {num_gpus: 1}\n") == [
        "s.yaml:1: pose: 'config', or 'weights' that hold their config, is missing",
        "s.yaml:2: lifter: a model needs 'config', or 'weights' that hold their config",
    ]
    (found,) = problems("pose:\n  models:\n    body: {}\n")
    assert found.startswith("s.yaml:3: pose.models.body: a model needs 'config'")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "pose: {weights: w.pth, models: {a: {weights: w.pth}}}",
            "s.yaml:1: pose: either 'models', or 'config' and 'weights' of the only one",
        ),
        (
            "pose:\n  weights: w.pth\n  num_replicas: 2\n  autoscaling: {max_replicas: 3}",
            "s.yaml:1: pose: either num_replicas or autoscaling, not both",
        ),
        (
            "pose:\n  weights: w.pth\n  autoscaling: {min_replicas: 4, max_replicas: 3}",
            "s.yaml:3: pose.autoscaling: min_replicas 4 is more than max_replicas 3",
        ),
        (
            "topology: fused\npose: {weights: w.pth}\ndetector: {model: w.pth, num_replicas: 2}",
            "s.yaml:1: topology fused: detector.num_replicas has no effect, everything runs in "
            "the replicas of pose; set pose.num_replicas",
        ),
        (
            "pose: {weights: w.pth}\nstream:\n  tracking: {smoothing: savitzky_golay}",
            "s.yaml:2: stream: tracking: a stream is answered at once, and smoothing "
            "savitzky_golay needs frames that are not there yet; take smoothing one_euro "
            "without max_gap",
        ),
        (
            "pose: {weights: w.pth}\napi_key: ''",
            "s.yaml:2: api_key: an empty key would let everybody in; null does so openly",
        ),
        (
            "pose: {weights: w.pth}\napi_key: k\napi_key_env: KEY",
            "s.yaml:1: either api_key or api_key_env, not both",
        ),
    ],
)
def test_settings_that_contradict_each_other(
    problems: Callable[..., list[str]], write: Write, text: str, expected: str
) -> None:
    write("w.pth", "")
    assert problems(text) == [expected]
