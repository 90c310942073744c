from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from raypose.evaluation import AUC, EPE, NME, BaseMetric, PCKAccuracy
from raypose.structures import Poses, PoseSample


def _pair(offsets: list[float], **meta: Any) -> tuple[PoseSample, Poses]:
    """Keypoints on a line, predicted some pixels to the right; the box is 40 x 20."""
    K = len(offsets)
    keypoints = np.stack([np.arange(K) * 10.0, np.zeros(K)], axis=-1)[None].astype(np.float32)
    shift = np.array([[[offset, 0] for offset in offsets]], np.float32)
    sample = PoseSample(
        id="one",
        bboxes=np.array([[0, 0, 40, 20]], np.float32),
        keypoints=keypoints,
        keypoints_visible=np.ones((1, K), np.float32),
        meta=meta,
    )
    poses = Poses(keypoints=keypoints + shift, keypoint_scores=np.ones((1, K), np.float32))
    return sample, poses


def _computed(metric: BaseMetric, *pairs: tuple[PoseSample, Poses]) -> dict[str, float]:
    for sample, poses in pairs:
        metric.update(sample, poses)
    return metric.compute()


def test_pck_by_box_head_and_torso() -> None:
    pair = _pair([0, 1, 2, 3, 4, 5], head_size=np.array([[30.0]]))
    metric = PCKAccuracy(thr=0.1, norm_item=["bbox", "head", "torso"])
    # Strictly below 4, 3 and 1 pixels.
    assert _computed(metric, pair) == pytest.approx({"PCK": 4 / 6, "PCKh": 3 / 6, "tPCK": 1 / 6})


def test_a_degenerate_torso_is_measured_in_the_prediction() -> None:
    sample, poses = _pair([0, 0, 0, 0, 0, 0])
    sample.keypoints[0, 5] = sample.keypoints[0, 4]  # type: ignore[index]
    # The prediction's torso is 10 long, and its keypoint 5 is 10 away.
    assert _computed(PCKAccuracy(0.5, "torso"), (sample, poses)) == pytest.approx({"tPCK": 5 / 6})


def test_invisible_keypoints_do_not_count() -> None:
    sample, poses = _pair([0, 1, 100])
    sample.keypoints_visible[0, 2] = 0  # type: ignore[index]
    assert _computed(EPE(), (sample, poses)) == pytest.approx({"EPE": 0.5})
    weighted = np.stack([sample.keypoints_visible, np.ones((1, 3))], axis=-1)  # type: ignore[list-item]
    assert _computed(EPE(), (replace(sample, keypoints_visible=weighted), poses)) == pytest.approx(
        {"EPE": 0.5}
    )


def test_auc_by_hand() -> None:
    # Thresholds 0, 2, 4, 6 of 8 pixels.
    want = (0 + 1 / 3 + 2 / 3 + 3 / 3) / 4
    assert _computed(AUC(norm_factor=8, num_thrs=4), _pair([0, 3, 5])) == pytest.approx(
        {"AUC": want}
    )


def test_nme_by_box_item_and_keypoints() -> None:
    pair = _pair([0, 2, 4], ears=25.0)
    by_box = NME(norm_mode="use_norm_item", norm_item="bbox_size")
    assert _computed(by_box, pair) == pytest.approx({"NME": 2 / 40})
    by_item = NME(norm_mode="use_norm_item", norm_item="ears")
    assert _computed(by_item, pair) == pytest.approx({"NME": 2 / 25})
    by_keypoints = NME(norm_mode="keypoint_distance", keypoint_indices=[0, 2])
    assert _computed(by_keypoints, pair) == pytest.approx({"NME": 2 / 20})


def test_nme_knows_the_keypoints_of_some_skeletons() -> None:
    names = [f"p{i}" for i in range(3)]
    metric = NME("keypoint_distance", skeleton={"name": "horse10", "keypoints": names})
    assert _computed(metric, _pair([0, 2, 4])) == pytest.approx({"NME": 2 / 10})
    with pytest.raises(ValueError, match="needed for the skeleton 'cow'; they are known for 300w"):
        _computed(
            NME("keypoint_distance", skeleton={"name": "cow", "keypoints": names}), _pair([0, 2, 4])
        )


def test_mistakes_are_named(make_pairs: Callable[..., list[Any]]) -> None:
    sample, poses = make_pairs(1)[0]
    with pytest.raises(ValueError, match=r"got 'boxes'\. Did you mean 'bbox'"):
        PCKAccuracy(norm_item="boxes")
    with pytest.raises(ValueError, match="norm_mode is 'use_norm_item' or"):
        NME("bbox")
    with pytest.raises(ValueError, match="needs norm_item, such as 'bbox_size'"):
        NME("use_norm_item")
    with pytest.raises(ValueError, match=r"are two keypoints, got \[1\]"):
        NME("keypoint_distance", keypoint_indices=[1])
    with pytest.raises(ValueError, match="2 and 4 are not both of the 4 keypoints"):
        _computed(NME("keypoint_distance", keypoint_indices=[2, 4]), (sample, poses))
    with pytest.raises(ValueError, match="'head_size' to measure keypoints by, only nothing"):
        PCKAccuracy(norm_item="head").update(sample, poses)
    with pytest.raises(ValueError, match="animal-0 has no boxes"):
        PCKAccuracy().update(replace(sample, bboxes=None), poses)
    with pytest.raises(ValueError, match="animal-0 has no annotated keypoints"):
        EPE().update(replace(sample, keypoints=None), poses)
    with pytest.raises(ValueError, match=r"has keypoints \(1, 4, 2\), predicted are \(2, 4, 2\)"):
        EPE().update(sample, Poses.concatenate([poses, poses]))
