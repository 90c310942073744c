"""Packed training sets: the same samples in the same order, in fewer bytes and files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from raypose.config import Config, build_dataset, build_pipeline
from raypose.datasets import PackedDataset
from raypose.errors import ConfigError, DataError, RayposeError
from raypose.ops.image_files import read_image
from raypose.structures import PoseSample
from raypose.training.feeds.order import image_numbers, part_sizes
from raypose.training.feeds.packing import PackOptions, pack
from raypose.training.launch import sample_order, train_locally
from raypose.training.runtime import LocalRuntime
from tests.tiny_runs import load_experiment, weights_in

LAST_BIT = 0.01


def strong(**changes: Any) -> list[dict[str, Any]]:
    """Transforms whose crops turn, move and grow as far as those of the usual recipes."""
    augmentation = {"rotate_factor": 80, "scale_factor": [0.6, 1.4], "shift_factor": 0.16}
    return [
        {"type": "LoadImage"},
        {"type": "GetBBoxCenterScale"},
        {"type": "RandomFlip", "direction": ["horizontal", "vertical"]},
        {"type": "RandomHalfBody", "prob": 0.6},
        {"type": "RandomBBoxTransform", "rotate_prob": 0.8, **augmentation, **changes},
        {"type": "TopdownAffine", "input_size": "${codec.input_size}"},
    ]


def config_of(folder: Path, data: Path, **changes: Any) -> Config:
    given: dict[str, Any] = {"data__train__pipeline": strong(), "skeleton": "coco", **changes}
    return load_experiment(folder, data, **given)


def with_packed(config: Config, packed: Path) -> Config:
    data = json.loads(json.dumps(config.data))
    data["data"]["train"]["dataset"] = {"type": "PackedDataset", "data_root": str(packed)}
    return Config.from_resolved(data)


def samples_of(config: Config, epochs: int = 6) -> Iterator[PoseSample]:
    dataset, pipeline = build_dataset(config, "train"), build_pipeline(config, "train")
    for epoch in range(epochs):
        for index in range(len(dataset)):
            sample = pipeline(dataset[index], epoch)
            assert sample is not None
            yield sample


def assert_same_samples(config: Config, packed: Config, tolerance: float) -> None:
    """Compare all of a sample but where its image was; pixels on the average.

    OpenCV computes places in single precision, which is finer near the corner of a picture: a
    part of a picture is warped to the same pixels but for a last bit here and there.
    """
    for one, other in zip(samples_of(config), samples_of(packed), strict=True):
        assert (one.id, one.index, one.img_id, one.img_shape) == (
            other.id, other.index, other.img_id, other.img_shape,
        )  # fmt: skip
        for name in ("keypoints", "keypoints_visible", "transformed_keypoints", "bboxes", "areas"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert one.transform is not None
        assert other.transform is not None
        np.testing.assert_array_equal(one.transform.matrix, other.transform.matrix)
        np.testing.assert_array_equal(one.transform.inverse, other.transform.inverse)
        assert one.image is not None
        assert other.image is not None
        difference = np.abs(one.image.astype(int) - other.image)
        assert difference.mean() <= tolerance
        if tolerance == LAST_BIT:
            assert (difference > 1).mean() < 1e-3


@pytest.fixture
def small_people(synthetic_people: Path, tmp_path: Path) -> Path:
    """The drawn people in pictures with much around them."""
    folder = tmp_path / "wide"
    (folder / "images").mkdir(parents=True)
    content = json.loads((synthetic_people / "train.json").read_text())
    for image in content["images"]:
        pixels = read_image(synthetic_people / "images" / image["file_name"])
        wide = cv2.copyMakeBorder(np.asarray(pixels), 700, 600, 900, 500, cv2.BORDER_REFLECT_101)
        (folder / "images" / image["file_name"]).parent.mkdir(exist_ok=True, parents=True)
        cv2.imwrite(str(folder / "images" / image["file_name"]), wide)
        image["height"], image["width"] = wide.shape[:2]
    for label in content["annotations"]:
        label["bbox"][0] += 900
        label["bbox"][1] += 700
        label["keypoints"][0::3] = [x + 900 for x in label["keypoints"][0::3]]
        label["keypoints"][1::3] = [y + 700 for y in label["keypoints"][1::3]]
    for name in ("train.json", "val.json"):
        (folder / name).write_text(json.dumps(content))
    return folder


def test_cut_images_without_loss_give_the_same_samples(small_people: Path, tmp_path: Path) -> None:
    config = config_of(tmp_path, small_people)
    packed = pack(config, tmp_path / "packed", PackOptions(lossless=True))
    assert packed.kept < packed.images
    assert packed.samples == len(build_dataset(config, "train"))
    assert_same_samples(config, with_packed(config, tmp_path / "packed"), LAST_BIT)


def test_cut_images_as_jpeg_differ_by_a_jpeg(small_people: Path, tmp_path: Path) -> None:
    config = config_of(tmp_path, small_people)
    packed = pack(config, tmp_path / "packed", PackOptions(quality=95))
    assert packed.size < 0.8 * packed.original_size
    assert_same_samples(config, with_packed(config, tmp_path / "packed"), 2.5)


def test_images_that_crops_fill_stay_as_they_are(synthetic_people: Path, tmp_path: Path) -> None:
    config = config_of(tmp_path, synthetic_people)
    packed = pack(config, tmp_path / "packed", PackOptions())
    assert packed.kept > 0
    assert_same_samples(config, with_packed(config, tmp_path / "packed"), 2.5)


def test_a_training_is_the_same(small_people: Path, tmp_path: Path) -> None:
    config = config_of(tmp_path, small_people)
    pack(config, tmp_path / "packed", PackOptions(lossless=True))
    other = with_packed(config, tmp_path / "packed")
    orders = []
    for each in (config, other):
        dataset = build_dataset(each, "train")
        numbers = image_numbers(dataset)
        assert numbers is not None
        order = sample_order(each, part_sizes(dataset), LocalRuntime(tmp_path), numbers)
        orders.append([order.epoch(epoch).tolist() for epoch in range(3)])
    assert orders[0] == orders[1]
    train_locally(config, tmp_path / "one")
    train_locally(other, tmp_path / "two")
    first, second = (weights_in(tmp_path / name / "last.pth") for name in ("one", "two"))
    for name, value in first.items():
        # Where a gradient is all but zero, Adam makes a whole step of its last bit.
        assert (second[name].double() - value.double()).abs().mean() < 2e-3, name
    histories = [
        torch.load(tmp_path / name / "last.pth", weights_only=True)["history"]
        for name in ("one", "two")
    ]
    for one, two in zip(*histories, strict=True):
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-3)


def test_parts_of_a_combined_dataset_and_other_last_epochs(
    small_people: Path, tmp_path: Path
) -> None:
    part = {"type": "CocoDataset", "data_root": str(small_people), "ann_file": "train.json",
            "data_prefix": {"img": "images/"}, "skeleton": "coco"}  # fmt: skip
    parts = [part, {**part, "indices": 3}]
    switch = {"epoch": 1, "pipeline": strong(shift_factor=0.4)}
    config = config_of(
        tmp_path,
        small_people,
        data__train__dataset={"type": "CombinedDataset", "datasets": parts},
        data__train__switch=switch,
    )
    pack(config, tmp_path / "packed", PackOptions(lossless=True))
    other = with_packed(config, tmp_path / "packed")
    dataset = build_dataset(other, "train")
    assert part_sizes(dataset) == part_sizes(build_dataset(config, "train"))
    assert dataset[-1].meta["dataset"] == 1
    assert_same_samples(config, other, LAST_BIT)


def test_loader_processes_and_small_files(small_people: Path, tmp_path: Path) -> None:
    config = config_of(tmp_path, small_people)
    options = PackOptions(shard_bytes=60_000, num_workers=1)
    packed = pack(config, tmp_path / "packed", options)
    files = sorted((tmp_path / "packed").glob("images-*.parquet"))
    assert len(files) > 2
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    assert len(rows) == packed.images
    # Any reader of Parquet finds them, and so do addresses.
    dataset = PackedDataset(str(tmp_path / "packed"))
    by_name = {row["path"]: row["image"] for row in rows}
    for sample in dataset:
        assert sample.img_path is not None
        name = sample.img_path.partition(":")[2]
        assert Path(name).is_file()
        decoded = read_image(sample.img_path)
        expected = cv2.imdecode(np.frombuffer(by_name[name], np.uint8), cv2.IMREAD_COLOR)
        np.testing.assert_array_equal(decoded, expected)


def test_a_crop_that_shows_more_is_an_error(small_people: Path, tmp_path: Path) -> None:
    config = config_of(tmp_path, small_people)
    pack(config, tmp_path / "packed", PackOptions())
    stronger = config_of(tmp_path, small_people, data__train__pipeline=strong(scale_factor=[2, 3]))
    with pytest.raises(DataError, match=r"shows more of the image than .* pack it again"):
        list(samples_of(with_packed(stronger, tmp_path / "packed"), 1))


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        (
            [{"type": "LoadImage"}, {"type": "GetBBoxCenterScale"},
             {"type": "Albumentation", "transforms": [{"type": "Blur"}]},
             {"type": "TopdownAffine", "input_size": [48, 64]}],
            "Albumentation stands before TopdownAffine, and it is not known",
        ),
        ([{"type": "LoadImage"}], "crops are known of pipelines with TopdownAffine"),
    ],
)  # fmt: skip
def test_pipelines_whose_crops_are_not_known(
    synthetic_people: Path, tmp_path: Path, pipeline: list[dict[str, Any]], message: str
) -> None:
    config = config_of(tmp_path, synthetic_people, data__train__pipeline=pipeline)
    with pytest.raises(ConfigError, match=message):
        pack(config, tmp_path / "packed", PackOptions())
    assert not (tmp_path / "packed").exists()


def test_a_folder_that_is_there(synthetic_people: Path, tmp_path: Path) -> None:
    config = config_of(tmp_path, synthetic_people)
    pack(config, tmp_path / "packed", PackOptions())
    with pytest.raises(RayposeError, match=r"packed is packed already \(--overwrite replaces it\)"):
        pack(config, tmp_path / "packed", PackOptions())
    pack(config, tmp_path / "packed", PackOptions(), overwrite=True)
    (tmp_path / "other").mkdir()
    with pytest.raises(RayposeError, match="other exists; a new folder is expected"):
        pack(config, tmp_path / "other", PackOptions(), overwrite=True)
    with pytest.raises(DataError, match=r"no packed samples .* `raypose pack CONFIG"):
        PackedDataset(str(tmp_path / "other"))


def test_an_image_that_cannot_be_read_is_named(synthetic_people: Path, tmp_path: Path) -> None:
    config = config_of(
        tmp_path, synthetic_people, data__train__dataset__data_prefix={"img": "elsewhere/"}
    )
    with pytest.raises(DataError, match="elsewhere"):
        pack(config, tmp_path / "packed", PackOptions())
