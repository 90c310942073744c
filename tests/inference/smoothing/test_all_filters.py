from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from raypose.inference.smoothing import (
    GapFiller,
    OneEuroFilter,
    PoseFilter,
    SavitzkyGolayFilter,
)
from raypose.structures import Poses

FILTERS: list[Callable[[], PoseFilter]] = [GapFiller, OneEuroFilter, SavitzkyGolayFilter]


def crowded(rng: np.random.Generator, ids: list[int]) -> Poses:
    """Poses with every field, anywhere."""
    N = len(ids)
    return Poses(
        keypoints=rng.uniform(0, 100, (N, 5, 2)).astype(np.float32),
        keypoint_scores=rng.uniform(0, 1, (N, 5)).astype(np.float32),
        keypoints_visible=rng.uniform(0, 1, (N, 5)).astype(np.float32),
        bboxes=rng.uniform(0, 100, (N, 4)).astype(np.float32),
        bbox_scores=rng.uniform(0, 1, N).astype(np.float32),
        scores=rng.uniform(0, 1, N).astype(np.float32),
        track_ids=np.array(ids, np.int64),
        keypoints_3d=rng.uniform(0, 1, (N, 4, 3)).astype(np.float32),
        extras={"tag": rng.integers(9, size=N)},
    )


@pytest.mark.parametrize("make", FILTERS)
def test_every_frame_comes_out_once_with_all_its_fields(make: Callable[[], PoseFilter]) -> None:
    rng = np.random.default_rng(0)
    # Not one gap that would be filled: tracks come and go for good, in any order.
    present = [[0, -1], [1, 0, -1], [-1], [2, 3, -1, -1], [3, 2], [], [4, -1], [4, -1], [-1, 5]]
    pushed = [crowded(rng, ids) for ids in present]
    filtered = make()
    for _ in range(2):  # after flush the filter is as new, and time may start again
        out = []
        for i, poses in enumerate(pushed):
            out += filtered.push(poses, i / 30)
        out += filtered.flush()
        assert len(out) == len(pushed)
        for before, after in zip(pushed, out, strict=True):
            moving = ("keypoints", "keypoints_3d")
            for name in Poses.__dataclass_fields__:
                if name in moving or name == "extras":
                    continue
                np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
            np.testing.assert_array_equal(after.extras["tag"], before.extras["tag"])
            assert before.track_ids is not None
            nameless = before.track_ids < 0
            for name in moving:
                got, want = getattr(after, name), getattr(before, name)
                assert got.shape == want.shape
                assert got.dtype == np.float32
                np.testing.assert_array_equal(got[nameless], want[nameless])


@pytest.mark.parametrize("make", FILTERS)
def test_a_frame_with_nobody_may_lack_fields(make: Callable[[], PoseFilter]) -> None:
    nobody = Poses.empty(5).replace(track_ids=np.zeros(0, np.int64))
    rng, filtered, out = np.random.default_rng(0), make(), []
    for i, poses in enumerate([nobody, crowded(rng, [3]), nobody, crowded(rng, [5]), nobody]):
        out += filtered.push(poses, float(i))
    assert [len(poses) for poses in [*out, *filtered.flush()]] == [0, 1, 0, 1, 0]


@pytest.mark.parametrize("make", FILTERS)
def test_streams_that_cannot_be(make: Callable[[], PoseFilter]) -> None:
    rng, name = np.random.default_rng(0), type(make()).__name__
    with pytest.raises(ValueError, match=f"{name}: the poses have no track_ids"):
        make().push(crowded(rng, [0]).replace(track_ids=None), 0.0)
    with pytest.raises(ValueError, match=f"{name}: identity 4 is in one frame twice"):
        make().push(crowded(rng, [4, -1, -1, 4]), 0.0)
    filtered = make()
    filtered.push(crowded(rng, [0]), 0.5)
    with pytest.raises(ValueError, match=f"{name}: frames come in order of time, got 0.5 s"):
        filtered.push(crowded(rng, [0]), 0.5)


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="max_gap is at least 1, got 0"):
        GapFiller(max_gap=0)
    with pytest.raises(ValueError) as error:
        OneEuroFilter(min_cutoff=0, beta=-1, d_cutoff=-2)
    assert str(error.value).count("\n") == 2
    with pytest.raises(ValueError, match="window_length is odd and above 0, got 4"):
        SavitzkyGolayFilter(window_length=4)
    with pytest.raises(ValueError, match=r"below window_length \(5\), got 5"):
        SavitzkyGolayFilter(window_length=5, polyorder=5)
