"""Contract 8: one codec and one skeleton in a config, wherever they are needed."""

from __future__ import annotations

from pathlib import Path

from raypose.config import (
    build_codec,
    build_dataset,
    build_metrics,
    build_model,
    build_pipeline,
    load_config,
)
from tests.extension.conftest import Load


def test_one_codec_is_the_heads_and_the_crops_too(load: Load) -> None:
    config = load("people", "codec.input_size=[72, 96]")
    codec, head = build_codec(config), build_model(config).head
    assert codec is not None
    assert codec.input_size == head.decoder.input_size == (72, 96)  # type: ignore[attr-defined]
    assert type(codec) is type(head.decoder)
    dataset = build_dataset(config, "train")
    for split in ("train", "val"):
        sample = build_pipeline(config, split)(dataset[0], 0)  # type: ignore[arg-type]
        assert sample is not None
        assert sample.image is not None
        assert sample.image.shape == (96, 72, 3)


def test_a_codec_of_ones_own_is_referred_to_alike(load: Load) -> None:
    config = load("grid", "codec.stride=8")
    codec = build_codec(config)
    assert type(codec).__name__ == "CenterGrid"
    assert build_model(config).codec.stride == codec.stride == 8  # type: ignore[union-attr]


def test_one_skeleton_reaches_model_data_and_metrics(load: Load) -> None:
    config = load("people", "metrics=[{type: EPE}, {type: CocoMetric}]")
    coco = config.skeleton
    assert coco is not None
    assert build_model(config).skeleton == coco
    assert build_dataset(config, "val").skeleton == coco  # type: ignore[attr-defined]
    assert [metric.skeleton for metric in build_metrics(config)] == [coco, coco]


def test_a_skeleton_can_be_referred_to(load: Load) -> None:
    config = load("grid", "model.skeleton=${skeleton}", "skeleton={name: x, keypoints: [a, b]}")
    assert config.data["model"]["skeleton"] == config.data["skeleton"]
    assert build_model(config).skeleton.keypoint_names == ("a", "b")


def test_a_skeleton_of_ones_own_travels_with_the_config(project: Path, tmp_path: Path) -> None:
    """A file beside the config becomes part of it: workers do not need the file."""
    (tmp_path / "pair.yaml").write_text("name: pair\nkeypoints: [left_end, right_end]\n")
    text = (project / "people.yaml").read_text()
    text = text.replace("skeleton: coco", "skeleton: pair.yaml")
    file = tmp_path / "pairs.yaml"
    file.write_text(text.replace("num_joints: 17", "num_joints: 2"))
    config = load_config(file, [f"import_paths=[{project}]"])
    assert config.data["skeleton"]["name"] == "pair"
    assert build_model(config).skeleton.flip_indices == (1, 0)
