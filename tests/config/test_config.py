"""`Config`: what travels, what is typed, what comes back."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from raypose.config import Config, check_config, load_config
from raypose.config.nodes import Mark, from_plain
from raypose.errors import ConfigError
from tests.config.conftest import MODEL, Write

Load = Callable[..., Config]

EXPERIMENT = f"""\
skeleton: coco
data_root: data/here
{MODEL}data:
  loader: ray
  num_workers: 0
  train:
    dataset: {{type: CocoDataset, ann_file: train.json, data_root: "${{data_root}}"}}
    pipeline: [{{type: LoadImage}}, {{type: TopdownAffine, input_size: "${{codec.input_size}}"}}]
metrics: [{{type: CocoMetric}}]
optimizer: {{type: AdamW, lr: 1e-3, paramwise: {{custom_keys: {{pos: {{decay_mult: 0}}}}}}}}
schedules: [{{type: MultiStepLR, milestones: [2, 3]}}]
train: {{epochs: 4, clip_grad: 5, ema: {{momentum: 0.01}}}}
cluster: {{num_workers: 2, resources_per_worker: {{CPU: 2}}}}
serve: {{detector: {{model: d.onnx}}}}
"""


def test_references_are_resolved_in_the_data(load: Load) -> None:
    data = load(EXPERIMENT, "data_root=other").data
    assert data["model"]["head"]["decoder"] == data["codec"]
    assert data["data"]["train"]["dataset"]["data_root"] == "other"
    assert data["data"]["train"]["pipeline"][1]["input_size"] == [192, 256]


def test_sections_are_typed_and_have_defaults(load: Load) -> None:
    config = load(EXPERIMENT)
    assert config.train.epochs == 4
    assert config.train.clip_grad is not None
    assert (config.train.clip_grad.max_norm, config.train.clip_grad.norm_type) == (5, 2)
    assert config.train.ema is not None
    assert config.train.ema.momentum == 0.01
    assert (config.train.batch_size, config.train.amp) == (64, None)
    assert config.data_options.loader == "ray"
    assert config.data_options.val is None
    assert config.cluster.resources_per_worker == {"CPU": 2}
    assert config.annotate.shard_size > 0
    assert config.serve.detector is not None
    assert config.serve.detector.model == "d.onnx"
    assert config.skeleton is not None
    assert config.skeleton.num_keypoints == 17
    optimizer = config.experiment.optimizer
    assert optimizer is not None
    assert optimizer.lr == 0.001
    assert optimizer.paramwise is not None
    assert optimizer.paramwise.custom_keys["pos"].decay_mult == 0
    assert config.experiment.schedules == [{"type": "MultiStepLR", "milestones": [2, 3]}]


def test_a_resolved_config_is_self_contained(load: Load, write: Write) -> None:
    config = load(EXPERIMENT)
    again = load_config(write("copy/config.yaml", config.to_yaml()))
    assert again.data == config.data
    assert again.experiment == config.experiment
    for other in (Config.from_yaml(config.to_yaml()), Config.from_resolved(config.data)):
        assert other.data == config.data
        assert other.experiment == config.experiment


def test_a_config_can_be_pickled(load: Load) -> None:
    config = load(EXPERIMENT)
    again = pickle.loads(pickle.dumps(config))
    assert again.data == config.data
    assert again.path == config.path


def test_a_skeleton_file_travels_with_the_config(write: Write) -> None:
    write("parts/mouse.yaml", "name: mouse\nkeypoints: [nose, left_ear, right_ear]\n")
    write("parts/base.yaml", "skeleton: mouse.yaml\n")
    text = f"_base_: parts/base.yaml\n{MODEL}".replace("out_channels: 17", "out_channels: 3")
    config = load_config(write("exp.yaml", text))
    (Path("parts") / "mouse.yaml").unlink()
    skeleton = Config.from_resolved(config.data).skeleton
    assert skeleton is not None
    assert skeleton.name == "mouse"
    assert skeleton.flip_indices == (0, 2, 1)


def test_a_skeleton_file_that_is_not_there(load: Load) -> None:
    with pytest.raises(ConfigError, match=r"exp.yaml:1: skeleton: no skeleton file at mous.yaml"):
        load(f"skeleton: mous.yaml\n{MODEL}")


def test_a_skeleton_file_with_a_mistake(load: Load, write: Write) -> None:
    write("mouse.yaml", "name: mouse\nkeypoints: [nose, nose]\n")
    message = r"exp.yaml:1: skeleton: .*mouse.yaml:2: keypoints.1: 'nose' is there twice"
    with pytest.raises(ConfigError, match=message):
        load(f"skeleton: mouse.yaml\n{MODEL}")


def test_a_mistake_of_a_skeleton_in_the_config_says_its_line(load: Load) -> None:
    skeleton = "skeleton:\n  name: mouse\n  keypoints: [nose, tail]\n  links:\n    - [nose, tial]\n"
    message = r"exp.yaml:5: skeleton.links.0: no keypoint is called 'tial'. Did you mean 'tail'\?"
    with pytest.raises(ConfigError, match=message):
        load(f"{skeleton}{MODEL}")


def test_a_mistake_in_what_a_worker_receives() -> None:
    with pytest.raises(ConfigError, match=r"resolved config: train.epochs: got 'x', expected"):
        Config.from_resolved({"model": {"type": "X"}, "train": {"epochs": "x"}})


def test_a_changed_config_can_be_checked_again(load: Load) -> None:
    data = load(EXPERIMENT).data
    data["model"]["backbone"]["type"] = "ResNe"
    with pytest.raises(ConfigError, match=r"here: model.backbone.type: unknown backbone 'ResNe'"):
        check_config(Config(from_plain(data, Mark("here"))))


def test_many_problems_are_one_error(load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load("a: 1\nb: ${c}\nmodel: {type: X}\ntrain: {epochs: x}\n", "x.y=1")
    assert len(caught.value.problems) == 5
    assert str(caught.value) == "\n".join(caught.value.problems)
