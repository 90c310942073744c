"""`TopdownPoseEstimator`: crops in, poses in image space out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from raypose.errors import ConfigError, RayposeError
from raypose.models.estimators import TopdownPoseEstimator
from raypose.models.heads import HeatmapHead
from raypose.structures import CropTransform, PoseBatch, Poses
from tests.models.drawn_weights import draw_weights
from tests.models.estimators.flat_network import BlockMeans

K = 5
FLIP_INDICES = (0, 2, 1, 4, 3)
INPUT_SIZE = (48, 64)
HEAD = {
    "type": "HeatmapHead",
    "in_channels": 3,
    "out_channels": K,
    "deconv_out_channels": None,
    "decoder": {
        "type": "MSRAHeatmap",
        "input_size": INPUT_SIZE,
        "heatmap_size": [12, 16],
        "sigma": 2,
    },
}


def build(test_cfg: dict[str, Any] | None = None, head: Any = HEAD, **options: Any) -> Any:
    estimator = TopdownPoseEstimator(BlockMeans(), head=head, test_cfg=test_cfg, **options)
    return draw_weights(estimator).eval()


def crops(B: int = 3) -> PoseBatch:
    generator = torch.Generator().manual_seed(0)
    scales = [(96.0, 128.0), (48.0, 64.0), (30.0, 40.0)]
    return PoseBatch(
        inputs=torch.randn(B, 3, INPUT_SIZE[1], INPUT_SIZE[0], generator=generator),
        transforms=[
            CropTransform.from_box((100.0 + i, 80.0), scales[i % 3], INPUT_SIZE) for i in range(B)
        ],
        annotations={
            "bboxes": torch.arange(4.0).repeat(B, 2, 1),
            "bbox_scores": torch.full((B, 2), 0.5),
        },
        flip_indices=FLIP_INDICES,
    )


def test_keypoints_are_mapped_to_the_image_and_boxes_are_handed_through() -> None:
    estimator, batch = build(), crops()
    inner: list[Poses] = estimator.head.predict(estimator.extract_feat(batch.inputs), batch)

    found = estimator.predict(batch)

    for pose, inside, crop in zip(found, inner, batch.transforms, strict=True):
        want = inside.keypoints / np.asarray(INPUT_SIZE) * crop.scale + crop.center - crop.scale / 2
        np.testing.assert_allclose(pose.keypoints, want, rtol=1e-5)
        np.testing.assert_array_equal(pose.bboxes, [[0, 1, 2, 3]])  # that of its one instance
        np.testing.assert_array_equal(pose.bbox_scores, [0.5])


def test_flip_test_is_one_pass_over_both_halves() -> None:
    estimator = build({"flip_test": True, "flip_mode": "heatmap", "shift_heatmap": True})
    batch = crops()
    backbone = estimator.backbone

    estimator.predict(batch)

    assert backbone.calls == [(6, 3, INPUT_SIZE[1], INPUT_SIZE[0])]


def test_flip_test_equals_two_passes() -> None:
    estimator = build({"flip_test": True, "shift_heatmap": False})
    batch = crops()
    maps: Tensor = estimator(batch.inputs)
    assert isinstance(batch.inputs, Tensor)
    mirrored: Tensor = estimator(batch.inputs.flip(-1)).flip(-1)[:, list(FLIP_INDICES)]
    want, scores = estimator.head.decoder.decode((maps + mirrored) / 2)

    found = estimator.predict(batch)

    for pose, keypoints, values, crop in zip(found, want, scores, batch.transforms, strict=True):
        np.testing.assert_allclose(pose.keypoints, crop.to_image(keypoints.numpy()), rtol=1e-5)
        np.testing.assert_allclose(pose.keypoint_scores, values.numpy(), rtol=1e-5)


def test_flip_indices_come_from_the_batch_or_the_skeleton() -> None:
    names = ["nose", "left_eye", "right_eye", "left_ear", "right_ear"]
    told = build({"flip_test": True}, skeleton={"name": "head", "keypoints": names})
    untold = build({"flip_test": True})
    batch = crops().replace(flip_indices=None)

    for one, other in zip(told.predict(batch), untold.predict(crops()), strict=True):
        np.testing.assert_array_equal(one.keypoints, other.keypoints)
    with pytest.raises(ConfigError, match="flip_test needs the model's 'skeleton'"):
        untold.predict(batch)


def test_some_keypoints_can_be_picked() -> None:
    whole, part = build(), build({"output_keypoint_indices": [3, 1]})

    for one, other in zip(whole.predict(crops()), part.predict(crops()), strict=True):
        np.testing.assert_array_equal(other.keypoints, one.keypoints[:, [3, 1]])
        np.testing.assert_array_equal(other.keypoint_scores, one.keypoint_scores[:, [3, 1]])


def test_options_reach_heads_inside_a_wrapper() -> None:
    test_cfg, train_cfg = {"flip_test": True, "shift_heatmap": True}, {"compute_acc": False}
    wrapper = {"type": "VisPredictHead", "pose_cfg": HEAD}

    estimator = build(test_cfg, wrapper, train_cfg=train_cfg)

    assert estimator.head.pose_head.test_cfg == estimator.head.test_cfg == test_cfg
    assert estimator.head.pose_head.train_cfg == train_cfg


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_cfg": {"flip_tset": True}}, "test_cfg: .* 'flip_tset'. Did you mean 'flip_test'"),
        ({"train_cfg": {"compute_ac": True}}, "train_cfg: .* Did you mean 'compute_acc'"),
    ],
)
def test_unknown_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TopdownPoseEstimator(BlockMeans(), head=HEAD, **options)


def test_raw_images_need_a_preprocessor_and_predictions_a_head() -> None:
    batch = crops().replace(inputs=torch.zeros(3, 3, 64, 48, dtype=torch.uint8))

    with pytest.raises(ConfigError, match="raw images but has no data_preprocessor"):
        build().predict(batch)
    with pytest.raises(RayposeError, match="was built without a head"):
        build(head=None).predict(crops())


def test_a_head_that_forgets_the_flip_test_is_found_out() -> None:
    class Forgetful(HeatmapHead):
        def predict(self, feats: Any, batch: PoseBatch) -> list[Poses]:
            return self.decode(self.forward(feats))

    estimator = build({"flip_test": True}, Forgetful(**{k: HEAD[k] for k in HEAD if k != "type"}))

    with pytest.raises(RayposeError, match="6 results for 3 samples; it must fold the flip test"):
        estimator.predict(crops())
