"""A whole config as YAML: what becomes of each part, what is refused, what is noted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from raypose.config import build_model, load_config
from raypose.config.mmpose_import import import_mmpose, read_mmpose_config, translate
from raypose.errors import ConfigError


@pytest.fixture
def imported(configs: Path) -> dict[str, Any]:
    return yaml.safe_load(import_mmpose(configs / "mouse" / "exp.py"))


def test_the_codec_is_referred_to(imported: dict[str, Any]) -> None:
    assert imported["codec"] == {
        "type": "MSRAHeatmap",
        "input_size": [192, 256],
        "heatmap_size": [48, 64],
        "sigma": 2,
    }
    assert imported["model"]["head"]["decoder"] == "${codec}"
    assert imported["data"]["train"]["pipeline"][2]["input_size"] == "${codec.input_size}"


def test_scopes_of_the_model_are_gone(imported: dict[str, Any]) -> None:
    assert imported["model"]["backbone"] == {"type": "ResNet", "depth": 18}


def test_pipelines_leave_targets_and_packing_to_the_device(imported: dict[str, Any]) -> None:
    for split in ("train", "val"):
        steps = imported["data"][split]["pipeline"]
        assert [step["type"] for step in steps] == [
            "LoadImage",
            "GetBBoxCenterScale",
            "TopdownAffine",
        ]
        assert steps[0] == {"type": "LoadImage"}
    assert imported["train"]["use_dataset_keypoint_weights"] is True


def test_datasets_are_relative_to_the_data_root(imported: dict[str, Any]) -> None:
    assert imported["data_root"] == "data/mouse/"
    assert imported["data"]["num_workers"] == 3
    assert imported["data"]["train"]["dataset"] == {
        "type": "CocoDataset",
        "data_root": "${data_root}",
        "data_mode": "topdown",
        "ann_file": "train.json",
        "data_prefix": {"img": "train/"},
    }
    assert imported["data"]["val"]["dataset"]["bbox_file"] == "boxes/val.json"
    assert imported["metrics"] == [{"type": "CocoMetric", "nms_mode": "none"}]


def test_the_skeleton_is_that_of_the_dataset(imported: dict[str, Any]) -> None:
    skeleton = imported["skeleton"]
    assert [point["name"] for point in skeleton["keypoints"]] == ["nose", "left_ear", "right_ear"]
    assert [point["swap"] for point in skeleton["keypoints"]] == ["nose", "right_ear", "left_ear"]
    assert skeleton["links"] == [{"link": ["nose", "left_ear"], "color": [1, 2, 3]}]
    assert skeleton["sigmas"] == [0.025, 0.05, 0.05]
    assert skeleton["weights"] == [1.0, 1.5, 1.5]


def test_the_recipe(imported: dict[str, Any]) -> None:
    assert imported["optimizer"] == {
        "type": "AdamW",
        "lr": 0.004,
        "betas": [0.9, 0.99],
        "paramwise": {"norm_decay_mult": 0},
    }
    assert imported["schedules"][1] == {
        "type": "MultiStepLR",
        "milestones": [20, 30],
        "gamma": 0.1,
        "by_epoch": True,
    }
    assert imported["train"] == {
        "epochs": 40,
        "val_interval": 5,
        "batch_size": 256,
        "val_batch_size": 32,
        "seed": 7,
        "amp": "fp16",
        "clip_grad": {"max_norm": 1.0, "norm_type": 2},
        "accumulate": 2,
        "log_every": 20,
        "save_best": "coco/AP",
        "max_checkpoints": 1,
        "ema": {"momentum": 0.0002, "update_buffers": True, "gamma": 2000},
        "use_dataset_keypoint_weights": True,
    }
    assert imported["data"]["train"]["switch"]["epoch"] == 30
    assert len(imported["data"]["train"]["switch"]["pipeline"]) == 3


def test_the_yaml_loads_and_builds(configs: Path, tmp_path: Path) -> None:
    path = tmp_path / "exp.yaml"
    path.write_text(import_mmpose(configs / "mouse" / "exp.py"))
    config = load_config(path)
    model = build_model(config)
    assert model.skeleton.flip_indices == (0, 2, 1)
    assert config.train.batch_size == 256


def test_the_head_of_the_yaml_says_what_is_left_out(configs: Path) -> None:
    lines = import_mmpose(configs / "mouse" / "exp.py").splitlines()
    assert lines[0] == "# Imported from MMPose's exp.py."
    assert "# Left out, as they concern MMEngine's runner only: env_cfg, default_scope." in lines


Change = Callable[..., Any]


@pytest.fixture
def change(configs: Path) -> Change:
    """Translate the experiment with variables changed."""
    path = configs / "mouse" / "exp.py"

    def function(**variables: Any) -> Any:
        cfg = read_mmpose_config(path)
        for dotted, value in variables.items():
            node: Any = cfg
            *parents, last = dotted.split("__")
            for key in parents:
                node = node[int(key)] if isinstance(node, list) else node[key]
            node[last] = value
        return translate(cfg, path)

    return function


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"model__neck": {"type": "FPN9"}}, "model.neck.type: unknown neck 'FPN9'"),
        (
            {"model__backbone__dept": 3},
            "model.backbone.dept: ResNet takes no argument 'dept'.",
        ),
        (
            {"train_dataloader__dataset": {"type": "MpiiDataset", "pipeline": []}},
            "data.train.dataset.type: unknown dataset 'MpiiDataset'",
        ),
        (
            {"train_dataloader__sampler": {"type": "MultiSourceSampler"}},
            "train_dataloader.sampler: raypose has no 'MultiSourceSampler'",
        ),
        (
            {"train_dataloader__collate_fn": {}},
            "train_dataloader.collate_fn: no counterpart in raypose.",
        ),
        (
            {"custom_hooks": [{"type": "YOLOXPoseModeSwitchHook"}]},
            "custom_hooks: raypose has no 'YOLOXPoseModeSwitchHook'",
        ),
        (
            {"default_hooks__other": {"type": "NothingHook"}},
            "default_hooks.other: raypose has no 'NothingHook'",
        ),
        (
            {"optim_wrapper__type": "GradientCumulativeOptimWrapper"},
            "optim_wrapper.type: raypose has no 'GradientCumulativeOptimWrapper'",
        ),
        (
            {"optim_wrapper__constructor": "ForceDefaultOptimWrapperConstructor"},
            "optim_wrapper.constructor: raypose has no 'ForceDefaultOptimWrapperConstructor'",
        ),
        (
            {"optim_wrapper__paramwise_cfg": {"dcn_offset_lr_mult": 0.1}},
            "optim_wrapper.paramwise_cfg.dcn_offset_lr_mult: no counterpart in raypose.",
        ),
        (
            {"optim_wrapper__optimizer": {"type": "Lion", "lr": 1.0}},
            "optimizer.type: unknown optimizer 'Lion'",
        ),
        (
            {"train_cfg": {"type": "IterBasedTrainLoop", "max_iters": 10}},
            "train_cfg: training by iterations has no counterpart in raypose",
        ),
        (
            {"param_scheduler": {"type": "ReduceOnPlateauLR"}},
            "schedules.0.type: unknown schedule 'ReduceOnPlateauLR'",
        ),
        (
            {"train_dataloader__dataset__pipeline__3__encoder": [{}, {}]},
            "GenerateTarget.encoder: several codecs have no counterpart in raypose",
        ),
        (
            {"train_dataloader__dataset__pipeline__3__multilevel": True},
            "GenerateTarget.multilevel: no counterpart in raypose.",
        ),
        (
            {"train_dataloader__dataset__metainfo": {"classes": ["x"]}},
            "dataset.metainfo: only a whole description of keypoints is translated",
        ),
        (
            {"train_dataloader__dataset__metainfo": {"from_file": "configs/no.py"}},
            "dataset.metainfo: there is no 'configs/no.py' in the folders above exp.py",
        ),
        (
            {"custom_hooks": [{"type": "EMAHook", "ema_type": "StochasticWeightAverage"}]},
            "EMAHook.ema_type: raypose has no 'StochasticWeightAverage'",
        ),
        (
            {"val_evaluator": {"type": "OtherMetric"}},
            "metrics.0.type: unknown metric 'OtherMetric'",
        ),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(
    change: Change, variables: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        change(**variables)
    assert any(f"exp.py: {message}" in problem for problem in caught.value.problems)


def test_everything_that_is_refused_comes_at_once(change: Change) -> None:
    with pytest.raises(ConfigError) as caught:
        change(
            model__neck={"type": "FPN9"},
            custom_hooks=[{"type": "AHook"}, {"type": "BHook"}],
        )
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("variables", "note"),
    [
        (
            {"test_evaluator": {"type": "EPE"}},
            "test_evaluator differs from val_evaluator and is left out",
        ),
        ({"auto_scale_lr": None}, "batch_size is that of one GPU"),
        (
            {"default_hooks__visualization": {"type": "PoseVisualizationHook", "enable": True}},
            "PoseVisualizationHook is left out",
        ),
        ({"train_cfg__dynamic_intervals": [(30, 1)]}, "validated at one interval"),
        (
            {"custom_imports": {"imports": ["mine.head"]}},
            "custom_imports: name a module for raypose under 'imports': mine.head",
        ),
        ({"find_unused_parameters": True}, "find_unused_parameters is left out"),
    ],
)
def test_what_is_left_out_is_noted(change: Change, variables: dict[str, Any], note: str) -> None:
    assert any(line.startswith(note) for line in change(**variables).notes)


def test_decay_by_layer_becomes_what_mmpose_really_does(change: Change) -> None:
    translation = change(
        optim_wrapper__constructor="LayerDecayOptimWrapperConstructor",
        optim_wrapper__paramwise_cfg={
            "num_layers": 12,
            "layer_decay_rate": 0.8,
            "custom_keys": {"bias": {"decay_multi": 0.0}},
        },
    )
    assert translation.data["optimizer"]["paramwise"] == {
        "num_layers": 12,
        "layer_decay_rate": 0.8,
        "norm_decay_mult": 0,
        "bias_decay_mult": 0,
        "flat_decay_mult": 0,
        "custom_keys": {"pos_embed": {"decay_mult": 0}},
    }
    assert "MMPose's layer-wise decay ignores paramwise_cfg custom_keys" in translation.notes


def test_a_dataset_that_differs_from_coco_only_by_its_skeleton(
    change: Change, configs: Path
) -> None:
    info = (configs / "_base_" / "datasets" / "mouse.py").read_text()
    (configs / "_base_" / "datasets" / "fly.py").write_text(info.replace("'mouse'", "'fly'"))
    dataset = {"type": "FlyDataset", "ann_file": "a.json", "pipeline": []}
    data = change(train_dataloader__dataset=dataset).data
    assert data["data"]["train"]["dataset"] == {"type": "CocoDataset", "ann_file": "a.json"}
    assert data["skeleton"]["name"] == "fly"
