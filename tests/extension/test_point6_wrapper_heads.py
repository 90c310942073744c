"""Contract 6: heads that wrap heads, raypose's and one's own, around either's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from raypose.config import build_model
from raypose.models.heads import HeatmapHead, VisPredictHead
from raypose.structures import CropTransform, PoseBatch
from tests.extension.conftest import Load, Trained
from tests.extension.runs import losses, predict, same_weights

HEATMAP = (
    "{type: HeatmapHead, in_channels: 64, out_channels: 17, deconv_out_channels: [32],"
    " deconv_kernel_sizes: [4], loss: {type: KeypointMSELoss, use_target_weight: true,"
    " loss_weight: 100}, decoder: '${codec}'}"
)
POINTS = (
    "{type: PointHead, in_channels: 64, num_joints: 17, decoder: '${codec}',"
    " loss: {type: SmoothL1Loss, use_target_weight: true, loss_weight: 10}}"
)
VISIBLE = "{type: VisPredictHead, loss: {type: BCELoss, use_sigmoid: true}, pose_cfg: %s}"
SHARE = "{type: ShareHead, loss: {type: MSELoss}, pose_cfg: %s}"
HEATMAP_CODEC = "codec={type: MSRAHeatmap, input_size: [48, 64], heatmap_size: [12, 16], sigma: 1}"

AROUND = {
    "VisPredictHead around a user's head": [f"model.head={VISIBLE % POINTS}"],
    "VisPredictHead around HeatmapHead": [f"model.head={VISIBLE % HEATMAP}", HEATMAP_CODEC],
    "a user's wrapper around HeatmapHead": [f"model.head={SHARE % HEATMAP}", HEATMAP_CODEC],
    "a user's wrapper around both": [f"model.head={SHARE % (VISIBLE % HEATMAP)}", HEATMAP_CODEC],
}


@pytest.mark.parametrize("overrides", AROUND.values(), ids=AROUND)
def test_a_wrapper_trains_predicts_and_comes_back(
    trained: Trained, project: Path, overrides: list[str]
) -> None:
    config, work_dir, _ = trained("wrapped", *overrides)
    assert losses(work_dir)[-1] < 0.8 * losses(work_dir)[0]
    same_weights(config, work_dir)
    for poses in predict(work_dir, project):
        assert poses.keypoints.shape == (2, 17, 2)
        if "VisPredictHead" in overrides[0]:
            visible = poses.keypoints_visible
            assert visible is not None
            assert visible.shape == (2, 17)
            assert ((visible > 0) & (visible < 1)).all()
        if "ShareHead" in overrides[0]:
            assert poses.extras["share"].shape == (2,)


def test_the_tutorials_wrapper_keeps_what_its_inner_heads_say(
    trained: Trained, project: Path
) -> None:
    config, work_dir, _ = trained("wrapped")
    head = build_model(config).head
    assert isinstance(head.pose_head, VisPredictHead)
    (inner,) = {type(module).__name__ for module in head.modules()} & {"PointHead", "HeatmapHead"}
    assert inner == "PointHead"
    for poses in predict(work_dir, project):
        assert poses.keypoints_visible is not None
        assert poses.extras["share"].shape == (len(poses),)


def test_options_of_the_estimator_reach_inner_heads(load: Load) -> None:
    estimator = build_model(load("wrapped", f"model.head={SHARE % (VISIBLE % HEATMAP)}"))
    inner = estimator.head.pose_head.pose_head
    assert isinstance(inner, HeatmapHead)
    assert inner.test_cfg == {"flip_test": True}


def test_a_flip_test_goes_through_all_layers(trained: Trained, project: Path) -> None:
    """A mirrored image gives the mirrored answer: visibilities and shares are averaged too."""
    config, work_dir, _ = trained("wrapped")
    estimator = same_weights(config, work_dir)
    w, h = config.data["codec"]["input_size"]
    images = torch.randn(3, 3, h, w)
    answers = []
    for inputs in (images, images.flip(-1)):
        batch = _batch(inputs)
        answers.append(estimator.predict(batch))
    flips = list(estimator.skeleton.flip_indices)  # type: ignore[union-attr]
    for one, other in zip(*answers, strict=True):
        mirrored = other.keypoints[:, flips] * [-1, 1] + [w, 0]
        np.testing.assert_allclose(one.keypoints, mirrored, atol=1e-3)
        assert one.keypoints_visible is not None
        assert other.keypoints_visible is not None
        np.testing.assert_allclose(
            one.keypoints_visible, other.keypoints_visible[:, flips], atol=1e-5
        )
        np.testing.assert_allclose(one.extras["share"], other.extras["share"], atol=1e-5)


def _batch(inputs: torch.Tensor) -> PoseBatch:
    h, w = inputs.shape[-2:]
    return PoseBatch(inputs=inputs, transforms=[CropTransform.identity((w, h))] * len(inputs))
