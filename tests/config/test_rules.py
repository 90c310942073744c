"""What must agree between the parts of a config."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.config.conftest import MODEL

Load = Callable[..., object]
Problems = Callable[..., list[str]]


def test_a_config_that_agrees(load: Load) -> None:
    load(f"skeleton: coco\n{MODEL}train: {{batch_size: 8}}\ncluster: {{num_workers: 4}}\n")


def test_one_output_for_each_keypoint(problems: Problems) -> None:
    assert problems(f"skeleton: ap10k\n{MODEL}", "model.head.out_channels=16") == [
        "command line: model.head.out_channels: got 16, expected 17: ap10k has 17 keypoints"
    ]


def test_three_outputs_for_each_keypoint_of_a_combined_heatmap(
    problems: Problems, load: Load
) -> None:
    codec = "codec={type: UDPHeatmap, input_size: [192, 256], heatmap_size: [48, 64], "
    codec += "heatmap_type: combined}"
    text = f"skeleton: coco\n{MODEL}"
    assert problems(text, codec) == [
        "exp.yaml:8: model.head.out_channels: got 17, expected 51: coco has 17 keypoints, and a "
        "combined heatmap has 3 channels for each"
    ]
    load(text, codec, "model.head.out_channels=51")


def test_the_head_inside_a_wrapper_is_looked_at(problems: Problems) -> None:
    head = (
        "model.head={type: VisPredictHead, pose_cfg: {type: HeatmapHead, in_channels: 512, "
        "out_channels: 5}, loss: {type: BCELoss}}"
    )
    assert problems(f"skeleton: coco\n{MODEL}", head) == [
        "command line: model.head.pose_cfg.out_channels: got 5, expected 17: coco has 17 keypoints"
    ]


def test_a_lifter_that_removes_its_root_has_one_output_less(load: Load) -> None:
    load(LIFTER)


LIFTER = """\
skeleton: h36m
codec: {type: ImagePoseLifting, num_keypoints: 17, remove_root: true}
model:
  type: PoseLifter
  backbone: {type: TCN, in_channels: 34, kernel_sizes: [1, 1, 1]}
  head: {type: TemporalRegressionHead, in_channels: 1024, num_joints: 16, decoder: "${codec}"}
"""


@pytest.mark.parametrize(
    ("addition", "key"),
    [
        (
            "data: {train: {dataset: {type: CocoDataset, ann_file: a.json}, "
            "pipeline: [{type: LoadImage}, {type: TopdownAffine, input_size: [256, 256]}]}}\n"
            "optimizer: {type: Adam, lr: 1.0e-3}\n",
            "data.train.pipeline.1.input_size",
        ),
        (
            "data: {val: {dataset: {type: CocoDataset, ann_file: a.json}, "
            "pipeline: [{type: BottomupResize, input_size: [256, 256]}]}}\n",
            "data.val.pipeline.0.input_size",
        ),
        (
            "data: {train: {dataset: {type: CocoDataset, ann_file: a.json}, switch: {epoch: 3, "
            "pipeline: [{type: TopdownAffine, input_size: [256, 256]}]}}}\n"
            "optimizer: {type: Adam, lr: 1.0e-3}\n",
            "data.train.switch.pipeline.0.input_size",
        ),
    ],
)
def test_crops_have_the_size_the_codec_works_on(
    problems: Problems, addition: str, key: str
) -> None:
    line = MODEL.count("\n")
    assert problems(MODEL + addition) == [
        f"exp.yaml:{line + 1}: {key}: got [256, 256], expected codec.input_size, [192, 256] "
        f"(exp.yaml:{line})"
    ]


def test_the_decoder_has_the_size_the_codec_works_on(problems: Problems) -> None:
    decoder = (
        "model.head.decoder={type: MSRAHeatmap, input_size: [288, 384], "
        "heatmap_size: [72, 96], sigma: 3}"
    )
    assert problems(MODEL, decoder) == [
        "command line: model.head.decoder.input_size: got [288, 384], expected "
        "codec.input_size, [192, 256] (exp.yaml:10)"
    ]


def test_a_batch_can_be_shared_out(problems: Problems) -> None:
    assert problems(MODEL, "train.batch_size=3", "cluster.num_workers=4") == [
        "command line: train.batch_size: got 3, expected a sample at least for each of 4 workers"
    ]


def test_a_sharded_step_is_not_compiled(problems: Problems) -> None:
    assert problems(MODEL, "train.compile=true", "cluster.strategy=fsdp2") == [
        "command line: train.compile: got true, expected false with cluster.strategy: fsdp2"
    ]


def test_training_data_need_an_optimizer(problems: Problems) -> None:
    split = "data: {train: {dataset: {type: CocoDataset, ann_file: a.json}}}\n"
    assert problems(MODEL + split) == [
        f"exp.yaml:{MODEL.count(chr(10)) + 1}: data.train: training data but no 'optimizer', "
        "such as {type: AdamW, lr: 5.0e-4}"
    ]


def test_an_unknown_skeleton(problems: Problems) -> None:
    (line,) = problems(f"skeleton: cocoo\n{MODEL}")
    assert line.startswith("exp.yaml:1: skeleton: unknown skeleton 'cocoo'. Did you mean 'coco'?")


def test_images_have_no_depth(load: Load, problems: Problems) -> None:
    codec = "{type: SimCC3DLabel, input_size: [96, 128, 64]}"
    text = (
        f"skeleton: coco\ncodec: {codec}\nmodel:\n  type: TopdownPoseEstimator3D\n"
        "  backbone: {type: ResNet, depth: 18}\n"
        "  head: {type: RTMW3DHead, in_channels: 512, out_channels: 17, input_size: "
        '"${codec.input_size}", in_featuremap_size: [3, 4], decoder: "${codec}"}\n'
        "data: {val: {dataset: {type: CocoDataset, ann_file: a.json}, "
        "pipeline: [{type: LoadImage}, {type: TopdownAffine, input_size: [96, 128]}]}}\n"
    )
    load(text)
    (problem,) = problems(text.replace("[96, 128]}", "[64, 128]}"))
    assert "data.val.pipeline.1.input_size: got [64, 128], expected codec.input_size" in problem
    assert "without its depth, [96, 128]" in problem
    (problem,) = problems(text, "model.head.out_channels=16")
    assert problem.endswith("model.head.out_channels: got 16, expected 17: coco has 17 keypoints")


@pytest.mark.parametrize(
    ("workers", "message"),
    [
        ("[2]", "got [2], "),
        ("[0, 2]", "got [0, 2], "),
        ("[3, 2]", "got [3, 2], "),
        ("[1, 2, 3]", "got [1, 2, 3], "),
        ("[1, 2.5]", "got [1, 2.5], "),
        ("-1", "got -1, "),
        ("two", "got 'two', "),
        ("true", "got True, "),
    ],
)
def test_a_number_of_workers_that_is_none(problems: Problems, workers: str, message: str) -> None:
    assert problems(f"skeleton: coco\n{MODEL}", f"cluster.num_workers={workers}") == [
        f"command line: cluster.num_workers: {message}expected a number of workers, or [min, max] "
        "of at least 1 and min <= max"
    ]


def test_a_batch_has_a_sample_for_each_of_the_most_workers(problems: Problems, load: Load) -> None:
    text = f"skeleton: coco\n{MODEL}cluster: {{num_workers: [2, 8]}}\n"
    load(text, "train.batch_size=8")
    assert problems(text, "train.batch_size=7") == [
        "command line: train.batch_size: got 7, expected a sample at least for each of 8 workers"
    ]


def test_a_range_of_workers_with_a_strict_placement(problems: Problems, load: Load) -> None:
    text = f"skeleton: coco\n{MODEL}"
    strict = "cluster.placement_strategy=STRICT_SPREAD"
    load(text, "cluster.num_workers=2", strict)
    assert problems(text, "cluster.num_workers=[1, 2]", strict) == [
        "command line: cluster.placement_strategy: got STRICT_SPREAD, expected PACK or SPREAD with "
        "a range of workers"
    ]


def test_a_batch_size_that_is_tried_out(problems: Problems, load: Load) -> None:
    text, auto = f"skeleton: coco\n{MODEL}", "train.batch_size=auto"
    load(text, auto, "cluster.num_workers=[1, 4]")
    assert problems(text, "train.batch_size=0") == [
        "command line: train.batch_size: got 0, expected a whole number greater than 0, or auto"
    ]
    assert problems(text, auto, "cluster.strategy=fsdp2") == [
        "command line: train.batch_size: got auto, expected a number with cluster.strategy: fsdp2"
    ]
