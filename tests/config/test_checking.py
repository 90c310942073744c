"""`type:` nodes: names, arguments, the kinds of their values, and copies."""

from __future__ import annotations

from collections.abc import Callable

import pytest

HEAD = "{type: HeatmapHead, in_channels: 512, out_channels: 17}"


def model(**parts: str) -> str:
    parts = {"backbone": "{type: ResNet, depth: 18}", **parts}
    lines = [f"  {key}: {value}\n" for key, value in parts.items()]
    return "model:\n  type: TopdownPoseEstimator\n" + "".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            model(head="{type: HeatmapHed, in_channels: 1}"),
            "exp.yaml:4: model.head.type: unknown head 'HeatmapHed'. Did you mean 'HeatmapHead'?",
        ),
        (
            model(backbone="{type: HeatmapHead}"),
            "exp.yaml:3: model.backbone.type: HeatmapHead is a head, not a backbone",
        ),
        (
            model(head="{type: MSRAHeatmap}"),
            "exp.yaml:4: model.head.type: MSRAHeatmap is a codec, not a head",
        ),
        (
            model() + "codec: {type: HRNet}\n",
            "exp.yaml:4: codec.type: HRNet is a backbone, not a codec",
        ),
        (
            "model: {type: ResNet, depth: 18}\n",
            "exp.yaml:1: model.type: ResNet is a backbone, not an estimator",
        ),
        (
            model(backbone="{type: ResNet, dept: 18}"),
            "exp.yaml:3: model.backbone.dept: ResNet takes no argument 'dept'. "
            "Did you mean 'depth'?",
        ),
        (
            model(backbone="{type: ResNet}"),
            "exp.yaml:3: model.backbone: ResNet needs 'depth'",
        ),
        (
            model(backbone="{type: ResNet, depth: fifty}"),
            "exp.yaml:3: model.backbone.depth: got 'fifty', expected a whole number",
        ),
        (
            model(backbone="{depth: 18}"),
            "exp.yaml:3: model.backbone: a mapping for the backbone needs 'type'",
        ),
        (
            model(backbone="ResNet"),
            "exp.yaml:3: model.backbone: got 'ResNet', expected a mapping with the 'type' of "
            "the backbone",
        ),
        (
            model(backbone="{type: [ResNet], depth: 18}"),
            "exp.yaml:3: model.backbone.type: got ['ResNet'], expected the name of a class",
        ),
        (
            model(head=HEAD[:-1] + ", loss: {type: KeypointMSELos}}"),
            "exp.yaml:4: model.head.loss.type: unknown loss 'KeypointMSELos'. "
            "Did you mean 'KeypointMSELoss'?",
        ),
        (
            model(head=HEAD[:-1] + ", loss: {type: KeypointMSELoss, use_weight: true}}"),
            "exp.yaml:4: model.head.loss.use_weight: KeypointMSELoss takes no argument "
            "'use_weight'.",
        ),
        (
            model() + "codec: {type: MultilevelHeatmap, input_size: [96, 128],\n"
            "  heatmap_size: [24, 32], levels: [{type: MegviiHeatmap}]}\n",
            "exp.yaml:5: codec.levels.0: MegviiHeatmap needs 'kernel_size'",
        ),
        (
            model() + "metrics: [{type: EPA}]\n",
            "exp.yaml:4: metrics.0.type: unknown metric 'EPA'. Did you mean 'EPE'?",
        ),
        (
            model() + "data: {val: {dataset: {type: EPE}}}\n",
            "exp.yaml:4: data.val.dataset.type: EPE is a metric, not a dataset",
        ),
        (
            model() + "optimizer: {type: AdamV, lr: 1.0}\n",
            "exp.yaml:4: optimizer.type: unknown optimizer 'AdamV'. Did you mean 'Adam'?",
        ),
        (
            model() + "optimizer: {type: AdamW, lr: 1.0, beta: [0.9, 0.99]}\n",
            "exp.yaml:4: optimizer.beta: AdamW takes no argument 'beta'. Did you mean 'betas'?",
        ),
        (
            model() + "schedules: [{type: MultiStepLR}]\n",
            "exp.yaml:4: schedules.0: MultiStepLR needs 'milestones'",
        ),
        (
            model() + "schedules:\n  - type: LinearLR\n    begn: 1\n",
            "exp.yaml:6: schedules.0.begn: LinearLR takes no argument 'begn'. "
            "Did you mean 'begin'?",
        ),
    ],
)
def test_a_mistake_says_where_what_and_the_nearest_name(
    problems: Callable[..., list[str]], text: str, message: str
) -> None:
    found = problems(text)
    assert len(found) == 1
    assert found[0].startswith(message)


def test_items_of_a_pipeline_are_transforms(problems: Callable[..., list[str]]) -> None:
    text = (
        model()
        + "data:\n  val:\n    dataset: {type: CocoDataset, ann_file: a.json}\n    pipeline:\n"
        + "      - {type: LoadImag}\n      - {type: TopdownAffine}\n      - {type: ResNet}\n"
        + "      - {type: Albumentation, transforms: [{type: Blur}]}\n"
    )
    assert problems(text) == [
        "exp.yaml:8: data.val.pipeline.0.type: unknown transform 'LoadImag'. "
        "Did you mean 'LoadImage'?",
        "exp.yaml:9: data.val.pipeline.1: TopdownAffine needs 'input_size'",
        "exp.yaml:10: data.val.pipeline.2.type: ResNet is a backbone, not a transform",
    ]


def test_a_misspelt_argument_is_not_also_reported_missing(
    problems: Callable[..., list[str]],
) -> None:
    text = model(head="{type: HeatmapHead, in_chanels: 512, out_channels: 17}")
    assert problems(text) == [
        "exp.yaml:4: model.head.in_chanels: HeatmapHead takes no argument 'in_chanels'. "
        "Did you mean 'in_channels'?"
    ]


def test_what_a_reference_copies_is_reported_once_where_it_was_written(
    problems: Callable[..., list[str]],
) -> None:
    text = "codec: {type: SimCCLabel, input_sise: [1, 2]}\n" + model(
        head="{type: SimCCHead, in_channels: 1, out_channels: 17, input_size: [192, 256], "
        'in_featuremap_size: [6, 8], decoder: "${codec}"}'
    )
    assert problems(text) == [
        "exp.yaml:1: codec.input_sise: SimCCLabel takes no argument 'input_sise'. "
        "Did you mean 'input_size'?"
    ]


def test_a_copy_in_the_wrong_place_is_reported_there(problems: Callable[..., list[str]]) -> None:
    text = model(head='"${codec}"') + "codec: {type: RegressionLabel, input_size: [192, 256]}\n"
    assert problems(text) == ["exp.yaml:4: model.head.type: RegressionLabel is a codec, not a head"]


def test_a_broken_reference_is_the_only_thing_said_about_its_key(
    problems: Callable[..., list[str]],
) -> None:
    assert problems(model(head='"${haed}"')) == [
        "exp.yaml:4: model.head: ${haed} refers to nothing: no key 'haed'."
    ]


def test_layer_configs_stay_as_they_are(load: Callable[..., object]) -> None:
    backbone = (
        "{type: ResNet, depth: 18, norm_cfg: {type: SyncBN}, "
        "init_cfg: {type: Pretrained, checkpoint: x.pth}}"
    )
    load(model(backbone=backbone))


def test_datasets_of_an_evaluator_are_names(load: Callable[..., object]) -> None:
    parts = "[{type: EPE}, [{type: EPE}]]"
    load(
        model(head=HEAD)
        + f"metrics: [{{type: MultiDatasetEvaluator, datasets: [a, b], metrics: {parts}}}]\n"
    )


def test_a_scope_of_mmpose_does_no_harm(load: Callable[..., object]) -> None:
    load(model(backbone="{type: mmdet.CSPNeXt}"))


def test_mistakes_of_all_files_come_in_one_report(
    write: Callable[[str, str], object], problems: Callable[..., list[str]]
) -> None:
    write("base.yaml", "train: {epochs: x}\nmodel: {type: TopdownPoseEstimator}\n")
    text = "_base_: base.yaml\nmodel:\n  backbone: {type: ResNe, depth: 18}\nsed: 1\n"
    assert problems(text, "train.seed=y") == [
        "base.yaml:1: train.epochs: got 'x', expected a whole number",
        "exp.yaml:3: model.backbone.type: unknown backbone 'ResNe'. Did you mean 'ResNet'?",
        "exp.yaml:4: sed: unknown key, expected annotate, cluster, codec, data, data_root, "
        "import_paths, imports, metrics, model, optimizer, schedules, serve, skeleton or train",
        "command line: train.seed: got 'y', expected a whole number",
    ]
