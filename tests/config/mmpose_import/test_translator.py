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
from raypose.training.optimizer import auto_lr_factor


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
        # Two batches a step: turned on, the rate is the one that is written.
        "auto_scale_lr": {"base_batch_size": 512, "enable": False},
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
    assert auto_lr_factor(config.train) == 1.0
    on = ["train.auto_scale_lr.enable=true"]
    assert auto_lr_factor(load_config(path, on).train) == 1.0
    assert auto_lr_factor(load_config(path, [*on, "train.batch_size=64"]).train) == 0.25


@pytest.mark.parametrize("enable", [True, False])
def test_a_rate_that_follows_the_batch_is_carried_over(change: Change, enable: bool) -> None:
    translation = change(auto_scale_lr={"base_batch_size": 128, "enable": enable})
    expected = {"base_batch_size": 256, "enable": enable}
    assert translation.data["train"]["auto_scale_lr"] == expected


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
        (
            {"train_dataloader__dataset": {"type": "MpiDataset", "pipeline": []}},
            "data.train.dataset.type: unknown dataset 'MpiDataset'. Did you mean 'MpiiDataset'?",
        ),
        (
            {"train_dataloader__collate_fn": {"type": "mine.collate"}},
            "train_dataloader.collate_fn: raypose has no 'collate'",
        ),
        (
            {"train_dataloader__sampler": {"type": "MultiSourceSampler"}},
            "train_dataloader.sampler: raypose has no 'MultiSourceSampler'",
        ),
        (
            {"train_dataloader__batch_sampler": {}},
            "train_dataloader.batch_sampler: no counterpart in raypose.",
        ),
        (
            {"custom_hooks": [{"type": "MyHook"}]},
            "custom_hooks: raypose has no 'MyHook'",
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
            {"optim_wrapper__constructor": "MyConstructor"},
            "optim_wrapper.constructor: raypose has no 'MyConstructor'",
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
            {
                "train_dataloader__dataset__pipeline__3__encoder": [
                    {"type": "MSRAHeatmap"},
                    {"type": "SPR"},
                ]
            },
            "GenerateTarget.encoder: raypose has one codec, here are MSRAHeatmap, SPR at once",
        ),
        (
            {
                "train_dataloader__dataset__pipeline__3__multilevel": True,
                "train_dataloader__dataset__pipeline__3__encoder": [
                    {"type": "MSRAHeatmap", "input_size": [1, 2]},
                    {"type": "MSRAHeatmap", "input_size": [2, 2]},
                ],
            },
            "GenerateTarget.encoder: its levels have different input_size",
        ),
        (
            {"train_dataloader__dataset__pipeline__3__level": True},
            "GenerateTarget.level: no counterpart in raypose. Did you mean 'multilevel'?",
        ),
        (
            {
                "val_evaluator": {
                    "type": "MultiDatasetEvaluator",
                    "metrics": [{"type": "EPE"}],
                    "datasets": [],
                }
            },
            "val_evaluator.metrics: one for each of the 0 datasets expected, got 1",
        ),
        (
            {
                "val_evaluator": {
                    "type": "MultiDatasetEvaluator",
                    "metrics": [{"type": "EPE"}],
                    "datasets": [{"type": "AicDataset"}],
                }
            },
            "val_evaluator.datasets: the classes of val_dataloader's parts expected, each once: "
            "CocoDataset",
        ),
        (
            {"model": {"type": "DWPoseDistiller", "teacher_cfg": "configs/no.py"}},
            "model: there is no 'configs/no.py' in the folders above exp.py",
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
    places, found = zip(*(p.split(": ", 1) for p in caught.value.problems), strict=True)
    assert any(problem.startswith(message) for problem in found)
    assert all("exp.py" in place or "default_runtime.py" in place for place in places)


def test_a_refusal_says_where_it_stands(configs: Path) -> None:
    path = configs / "mouse" / "exp.py"
    text = path.read_text().replace("'TopdownAffine'", "'TopdownAffin'")
    path.write_text(text.replace("norm_decay_mult=0", "norm_dekay_mult=0"))
    with pytest.raises(ConfigError) as caught:
        import_mmpose(path)
    lines = {problem.split(": ", 2)[1]: problem for problem in caught.value.problems}
    numbers = [
        next(i for i, line in enumerate(path.read_text().splitlines(), 1) if word in line)
        for word in ("TopdownAffin'", "norm_dekay_mult")
    ]
    crop, decay = (
        lines[key]
        for key in ("data.train.pipeline.2.type", "optim_wrapper.paramwise_cfg.norm_dekay_mult")
    )
    assert crop.startswith(f"{path}:{numbers[0]}: ")
    assert "Did you mean 'TopdownAffine'?" in crop
    assert decay.startswith(f"{path}:{numbers[1]}: ")


def test_everything_that_is_refused_comes_at_once(change: Change) -> None:
    with pytest.raises(ConfigError) as caught:
        change(
            param_scheduler={"type": "NothingLR"},
            custom_hooks=[{"type": "AHook"}, {"type": "BHook"}],
        )
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("variables", "note"),
    [
        (
            {"model__neck": {"type": "FPN9"}},
            "Not in this raypose: model.neck.type: unknown neck 'FPN9'",
        ),
        (
            {"model__backbone__dept": 3},
            "Not in this raypose: model.backbone.dept: ResNet takes no argument 'dept'.",
        ),
        ({"train_dataloader__drop_last": True}, "the last batch of an epoch is filled up"),
        ({"train_dataloader__sampler__shuffle": False}, "training samples are shuffled"),
        (
            {"train_dataloader__dataset__filter_cfg": {"min_size": 32}},
            "filter_cfg.min_size is left out; MMPose ignores it",
        ),
        (
            {"train_dataloader__dataset__pipeline__0__backend_args": {"backend": "petrel"}},
            "files are read from paths and not through 'petrel'",
        ),
        (
            {"train_dataloader__dataset__pipeline__3__target_type": "heatmap"},
            "GenerateTarget.target_type is left out; MMPose ignores it",
        ),
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


def test_a_dataset_brings_the_skeleton_of_its_class(change: Change) -> None:
    dataset = {"type": "FlyDataset", "ann_file": "a.json", "lazy_init": False, "pipeline": []}
    data = change(train_dataloader__dataset=dataset).data
    assert data["data"]["train"]["dataset"] == {"type": "FlyDataset", "ann_file": "a.json"}
    assert data["skeleton"] == "fly"


def test_a_description_that_is_not_there_is_the_built_in_one(change: Change) -> None:
    info = {"from_file": "configs/_base_/datasets/ap10k.py"}
    assert change(train_dataloader__dataset__metainfo=info).data["skeleton"] == "ap10k"


def test_weights_that_are_not_one_for_each_keypoint(configs: Path) -> None:
    info = configs / "_base_" / "datasets" / "mouse.py"
    info.write_text(info.read_text().replace("[1., 1.5, 1.5]", "[1., 1.5]"))
    path = configs / "mouse" / "exp.py"
    translation = translate(read_mmpose_config(path), path)
    assert "weights" not in translation.data["skeleton"]
    assert "joint_weights of 'mouse' are left out: 2 numbers for 3 keypoints" in translation.notes


CONVERTER = {"type": "KeypointConverter", "num_keypoints": 3, "mapping": ((0, 0), (1, 1))}
CLOSER = [{"type": "LoadImage"}, {"type": "RandomBBoxTransform", "rotate_factor": 0}]


def combined(*datasets: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "CombinedDataset", "metainfo": MOUSE, "datasets": datasets, **more}


MOUSE = {"from_file": "configs/_base_/datasets/mouse.py"}


def test_combined_datasets(change: Change) -> None:
    coco = {"type": "CocoDataset", "data_root": "data/mouse/", "ann_file": "coco.json"}
    parts = [
        {"type": "RepeatDataset", "times": 3, "dataset": {**coco, "pipeline": [CONVERTER]}},
        combined(
            {"type": "AicDataset", "ann_file": "aic.json", "pipeline": [CONVERTER, *CLOSER]},
            {"type": "LapaDataset", "ann_file": "lapa.json", "pipeline": [*CLOSER]},
            test_mode=False,
        ),
        {**coco, "metainfo": MOUSE},
    ]
    pipeline = [{"type": "LoadImage"}, {"type": "PackPoseInputs"}]
    data = change(train_dataloader__dataset=combined(*parts, pipeline=pipeline)).data
    assert data["skeleton"]["name"] == "mouse"
    split = data["data"]["train"]
    mapped = {**CONVERTER, "mapping": [[0, 0], [1, 1]]}
    there = {"data_root": "${data_root}", "ann_file": "coco.json"}
    first, aic, lapa, last = split["dataset"]["datasets"]
    assert first == {
        "type": "RepeatDataset",
        "times": 3,
        "dataset": {"type": "CocoDataset", **there, "skeleton": "coco"},
        "pipeline": [mapped],
    }
    assert aic == {"type": "AicDataset", "ann_file": "aic.json", "pipeline": [mapped]}
    assert lapa == {"type": "LapaDataset", "ann_file": "lapa.json"}
    assert last["skeleton"]["name"] == "mouse"
    own = {"type": "ForDatasets", "positions": [1, 2], "transforms": CLOSER}
    assert split["pipeline"] == [own, {"type": "LoadImage"}]
    assert split["switch"]["pipeline"][0] == own


def test_metrics_of_several_datasets_go_by_the_place_of_their_parts(change: Change) -> None:
    coco = {"type": "CocoDataset", "ann_file": "coco.json"}
    aic = {"type": "AicDataset", "ann_file": "aic.json", "pipeline": [CONVERTER]}
    data = change(
        val_dataloader__dataset=combined(coco, aic, pipeline=[{"type": "LoadImage"}]),
        val_evaluator={
            "type": "MultiDatasetEvaluator",
            "metrics": [
                {"type": "CocoMetric", "ann_file": "aic.json", "use_area": False},
                {"type": "CocoMetric", "ann_file": "coco.json"},
                {"type": "EPE"},
            ],
            "datasets": [aic, coco, aic],
        },
    ).data
    assert data["metrics"] == [
        {
            "type": "MultiDatasetEvaluator",
            "datasets": ["coco", "aic"],
            "metrics": [
                [{"type": "CocoMetric", "ann_file": "coco.json", "skeleton": "coco"}],
                [
                    {
                        "type": "CocoMetric",
                        "ann_file": "aic.json",
                        "use_area": False,
                        "skeleton": "aic",
                    },
                    {"type": "EPE", "skeleton": "aic"},
                ],
            ],
        }
    ]


def test_modes_that_switch_become_a_switch_of_data_and_attributes(change: Change) -> None:
    coco = {"type": "CocoDataset", "ann_file": "coco.json"}
    aic = {"type": "AicDataset", "ann_file": "aic.json"}
    data = change(
        train_cfg={"max_epochs": 10},
        train_dataloader__dataset=combined(
            combined(aic, aic), coco, sample_ratio_factor=[0.5, 1], pipeline=[]
        ),
        custom_hooks=[
            {
                "type": "YOLOXPoseModeSwitchHook",
                "num_last_epochs": 3,
                "new_train_dataset": coco,
                "new_train_pipeline": [{"type": "LoadImage"}],
            },
            {"type": "RTMOModeSwitchHook", "epoch_attributes": {4: {"loss.loss_weight": 2.0}}},
        ],
    ).data
    split = data["data"]["train"]
    assert split["sample_ratio_factor"] == [0.5, 0.5, 1.0]
    assert split["switch"] == {
        "epoch": 7,
        "sample_ratio_factor": [0.0, 0.0, 1.0],
        "pipeline": [{"type": "LoadImage"}],
    }
    assert data["train"]["model_switches"] == [
        {"epoch": 4, "set": {"head.loss.loss_weight": 2.0}},
        {"epoch": 7, "set": {"head.use_aux_loss": True}},
    ]


def test_skeletons_that_losses_name_are_put_in_their_place(change: Change) -> None:
    loss = {"type": "OKSLoss", "metainfo": "configs/_base_/datasets/mouse.py"}
    head = change(model__head__loss=loss).data["model"]["head"]
    assert head["loss"]["metainfo"]["name"] == "mouse"


def test_a_dataset_to_switch_to_that_is_no_part_is_refused(change: Change) -> None:
    other = {"type": "CocoDataset", "ann_file": "other.json"}
    hook = {"type": "YOLOXPoseModeSwitchHook", "new_train_dataset": other}
    with pytest.raises(ConfigError, match="new_train_dataset: raypose trains on parts of one"):
        change(custom_hooks=[hook], train_cfg={"max_epochs": 30})


def test_shares_that_raypose_cannot_take_are_refused(change: Change) -> None:
    part = {"type": "CocoDataset", "ann_file": "coco.json"}
    inner = combined(part, sample_ratio_factor=[0.5])
    with pytest.raises(ConfigError, match="sample_ratio_factor: only the outermost dataset"):
        change(train_dataloader__dataset=combined(inner, pipeline=[]))
    with pytest.raises(ConfigError, match="sample_ratio_factor: one number for each part"):
        change(train_dataloader__dataset=combined(sample_ratio_factor=[0.5], pipeline=[]))


def test_levels_become_one_codec(change: Change) -> None:
    sizes = {"input_size": (192, 256), "heatmap_size": (48, 64)}
    levels = [{"type": "MegviiHeatmap", **sizes, "kernel_size": k} for k in (11, 9)]
    data = change(
        train_dataloader__dataset__pipeline__3__encoder=levels,
        train_dataloader__dataset__pipeline__3__multilevel=True,
        model__head__decoder=levels[-1],
    ).data
    assert data["codec"] == {
        "type": "MultilevelHeatmap",
        "input_size": [192, 256],
        "heatmap_size": [48, 64],
        "levels": [
            {"type": "MegviiHeatmap", "kernel_size": 11},
            {"type": "MegviiHeatmap", "kernel_size": 9},
        ],
    }
    assert data["model"]["head"]["decoder"]["kernel_size"] == 9


def test_models_that_are_named_by_their_config(change: Change) -> None:
    model = {"type": "DWPoseDistiller", "teacher_cfg": "configs/mouse/exp.py", "two_dis": True}
    teacher = change(model=model).data["model"]["teacher_cfg"]
    assert teacher["backbone"] == {"type": "ResNet", "depth": 18}


def test_a_flip_of_encoded_targets_comes_before_they_are_made(change: Change) -> None:
    center = {"center_mode": "static", "center_x": 0.0}
    flip = {
        "type": "RandomFlipAroundRoot",
        "keypoints_flip_cfg": center,
        "target_flip_cfg": center,
        "flip_label": True,
    }
    encode = {"type": "GenerateTarget", "encoder": {"type": "MotionBERTLabel"}}
    data = change(train_dataloader__dataset__pipeline=[encode, flip]).data
    assert data["data"]["train"]["pipeline"] == [
        {
            "type": "RandomFlipAroundRoot",
            "keypoints_flip_cfg": {"center_mode": "image"},
            "target_flip_cfg": center,
            "flip_camera": True,
        }
    ]
    with pytest.raises(ConfigError, match="flip_label about another center than 0"):
        change(train_dataloader__dataset__pipeline=[encode, {**flip, "target_flip_cfg": {}}])


def test_an_evaluator_of_metrics(change: Change) -> None:
    evaluator = {"type": "Evaluator", "metrics": [{"type": "EPE"}, {"type": "AUC"}]}
    assert change(val_evaluator=evaluator).data["metrics"] == [{"type": "EPE"}, {"type": "AUC"}]


def test_forced_settings_keep_their_name(change: Change) -> None:
    translation = change(
        optim_wrapper__constructor="ForceDefaultOptimWrapperConstructor",
        optim_wrapper__paramwise_cfg__force_default_settings=True,
    )
    assert translation.data["optimizer"]["paramwise"] == {
        "norm_decay_mult": 0,
        "force_default_settings": True,
    }


def test_whole_bodies_in_space(change: Change, tmp_path: Path) -> None:
    codec = {"type": "SimCC3DLabel", "input_size": (288, 384, 288), "root_index": (11, 12)}
    bins = {"type": "KLDiscretLossWithWeight", "beta": 10.0, "label_softmax": True}
    model = {
        "type": "TopdownPoseEstimator3D",
        "backbone": {"type": "CSPNeXt", "out_indices": (3, 4)},
        "head": {
            "type": "RTMW3DHead",
            "in_channels": 1024,
            "out_channels": 133,
            "input_size": codec["input_size"],
            "in_featuremap_size": (9, 12, 9),
            "loss": [bins, {"type": "BoneLoss", "joint_parents": [0, 0]}],
            "decoder": codec,
        },
        "test_cfg": {"flip_test": False, "mode": "2d"},
    }
    steps = [{"type": "LoadImage"}, {"type": "TopdownAffine", "input_size": (288, 384)}]
    sequence = {"seq_len": 1, "causal": True, "data_prefix": {"img": "images/"}}
    h3wb = {"type": "H36MWholeBodyDataset", "ann_file": "h3wb.npz", "data_root": "data/h36m/"}
    ubody = {"type": "UBody3dDataset", "ann_file": "ubody.json", "data_root": "data/UBody/"}
    parts = [{**h3wb, **sequence}, {**ubody, **sequence, "data_mode": "topdown"}]
    about = {"from_file": "configs/_base_/datasets/h3wb.py"}
    translation = change(
        codec=codec,
        model=model,
        train_dataloader__dataset={
            "type": "CombinedDataset",
            "metainfo": about,
            "datasets": parts,
            "pipeline": [*steps, {"type": "GenerateTarget", "encoder": codec}],
        },
        val_dataloader__dataset={**h3wb, **sequence, "test_mode": True, "pipeline": steps},
        val_evaluator={"type": "SimpleMPJPE", "mode": "p-mpjpe"},
        custom_hooks=[],
    )

    split = translation.data["data"]["train"]["dataset"]["datasets"]
    assert split[0] == {**h3wb, "data_root": "${data_root}"}
    assert split[1] == {**ubody, "data_prefix": {"img": "images/"}}
    assert any(
        "data_prefix is left out; MMPose reads from original/" in n for n in translation.notes
    )
    path = tmp_path / "rtmw3d.yaml"
    path.write_text(translation.to_yaml())
    config = load_config(path)
    assert build_model(config).test_cfg == {"flip_test": False, "mode": "2d"}
    assert config.data["skeleton"] == "h3wb"

    parts[1]["seq_len"] = 27
    with pytest.raises(ConfigError, match="UBody3dDataset has '1' only"):
        change(train_dataloader__dataset={"type": "CombinedDataset", "datasets": parts})
