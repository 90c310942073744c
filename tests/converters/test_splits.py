"""Which pictures are for validation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from raypose.converters import LabelSet, split_labels
from raypose.converters.splits import choose_validation
from raypose.errors import RayposeError
from tests.converters.samples import labels_of


def names_of_val(labels: LabelSet) -> list[str]:
    return [image.name for image in labels.images if image.split == "val"]


@pytest.mark.parametrize(
    ("count", "fraction", "chosen"),
    [(10, 0.2, 2), (10, 0, 0), (10, 0.01, 1), (3, 0.99, 2), (1, 0.5, 0), (0, 0.5, 0)],
)
def test_number_of_pictures(count: int, fraction: float, chosen: int) -> None:
    assert choose_validation(count, fraction, seed=0).sum() == chosen


def test_seed_decides() -> None:
    first, again, other = (choose_validation(100, 0.3, seed).tolist() for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize("fraction", [-0.1, 1.0, float("nan")])
def test_fraction_out_of_range(fraction: float) -> None:
    with pytest.raises(RayposeError, match=r"a share from 0 to less than 1"):
        choose_validation(10, fraction, seed=0)


def test_splits_of_the_source_stay_unless_a_share_is_asked_for(tmp_path: Path) -> None:
    labels = labels_of(tmp_path, {f"{i}.png": [] for i in range(10)})
    assert len(names_of_val(split_labels(labels))) == 2
    given = replace(
        labels,
        images=[replace(i, split="val" if i.name == "3.png" else None) for i in labels.images],
    )
    assert names_of_val(split_labels(given)) == ["3.png"]
    assert {image.split for image in split_labels(given).images} == {"train", "val"}
    assert len(names_of_val(split_labels(given, 0.5))) == 5


def test_views_of_a_moment_and_frames_of_a_video_go_together(tmp_path: Path) -> None:
    labels = labels_of(tmp_path, {f"{v}/{i}.png": [] for v in "abcde" for i in range(4)})
    images = [replace(image, video=image.name[0], moment=image.name[2:]) for image in labels.images]
    by_moment = names_of_val(split_labels(replace(labels, images=images), 0.25))
    assert len(by_moment) == 5
    assert len({name[2:] for name in by_moment}) == 1
    by_video = names_of_val(split_labels(replace(labels, images=images), 0.2, by="video"))
    assert len(by_video) == 4
    assert len({name[0] for name in by_video}) == 1
    with pytest.raises(RayposeError, match=r"one video only"):
        split_labels(labels_of(tmp_path, {"a.png": []}), 0.2, by="video")
