"""`BottomupPoseEstimator`: whole images in, everybody in image space out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from raypose.errors import ConfigError
from raypose.models.estimators import BottomupPoseEstimator
from raypose.structures import CropTransform, PoseBatch
from tests.models.drawn_weights import draw_weights
from tests.models.estimators.flat_network import BlockMeans

K = 3
FLIP_INDICES = (0, 2, 1)
SIZE = 64
HEAD = {
    "type": "AssociativeEmbeddingHead",
    "in_channels": 3,
    "num_keypoints": K,
    "deconv_out_channels": None,
    "decoder": {
        "type": "AssociativeEmbedding",
        "input_size": [SIZE, SIZE],
        "heatmap_size": [SIZE, SIZE],
        "decode_keypoint_order": list(range(K)),
        "decode_max_instances": 4,
    },
}


def build(**test_cfg: Any) -> Any:
    test_cfg = {"restore_heatmap_size": True, **test_cfg}
    return draw_weights(BottomupPoseEstimator(BlockMeans(), head=HEAD, test_cfg=test_cfg)).eval()


def images(B: int = 2) -> PoseBatch:
    generator = torch.Generator().manual_seed(0)
    return PoseBatch(
        inputs=torch.randn(B, 3, SIZE, SIZE, generator=generator),
        transforms=[
            CropTransform.from_box((50.0 * i, 40.0), (128.0, 128.0), (SIZE, SIZE)) for i in range(B)
        ],
        flip_indices=FLIP_INDICES,
    )


@pytest.mark.parametrize("flip_test", [False, True])
def test_everybody_is_mapped_to_the_image(flip_test: bool) -> None:
    estimator, batch = build(flip_test=flip_test), images()
    inputs, doubled = estimator.mirrored(batch.inputs, batch)
    inside = estimator.head.predict(estimator.extract_feat(inputs), doubled)

    found = estimator.predict(batch)

    assert estimator.backbone.calls[-1][0] == (4 if flip_test else 2)
    for poses, inner, crop in zip(found, inside, batch.transforms, strict=True):
        assert 0 < len(poses) <= 4
        np.testing.assert_allclose(poses.keypoints, crop.to_image(inner.keypoints), rtol=1e-5)
        np.testing.assert_array_equal(poses.scores, inner.scores)


def test_predictions_do_not_depend_on_the_batch_size() -> None:
    estimator, batch = build(flip_test=True), images(3)
    assert isinstance(batch.inputs, torch.Tensor)
    together = estimator.predict(batch)

    for i, poses in enumerate(together):
        one = batch.replace(inputs=batch.inputs[i : i + 1], transforms=batch.transforms[i : i + 1])
        np.testing.assert_allclose(
            estimator.predict(one)[0].keypoints, poses.keypoints, rtol=1e-4, atol=1e-3
        )


def test_other_scales_are_seen_too() -> None:
    estimator = build(multiscale_test=True, aug_scales=[0.5, 1.9], flip_test=True)

    estimator.predict(images())

    # Sizes are those a network can halve five times.
    assert estimator.backbone.calls == [(4, 3, n, n) for n in (64, 32, 128)]


def test_the_same_scale_again_changes_nothing() -> None:
    once, twice = build(), build(multiscale_test=True, aug_scales=[1.0])

    for one, other in zip(once.predict(images()), twice.predict(images()), strict=True):
        np.testing.assert_allclose(one.keypoints, other.keypoints, atol=1e-3)


def test_loss_trains_heatmaps_and_tags() -> None:
    estimator, batch = build(), images()
    head = dict(HEAD, decoder={**HEAD["decoder"], "heatmap_size": [16, 16]})
    coarse = BottomupPoseEstimator(BlockMeans(), head=head).head
    keypoints = torch.rand(2, 3, K, 2, generator=torch.Generator().manual_seed(1)) * SIZE
    assert coarse is not None
    encoded = coarse.decoder.encode_batch(batch.replace(keypoints=keypoints))

    losses = estimator.loss(encoded)

    assert list(losses) == ["loss_kpt", "loss_pull", "loss_push"]
    torch.stack(list(losses.values())).sum().backward()
    assert estimator.head.final_layer.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"multiscale_test": True}, "multiscale_test needs aug_scales"),
        ({"restore_heatmap_sizes": True}, "Did you mean 'restore_heatmap_size'"),
    ],
)
def test_mistakes_of_test_cfg_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(**options)
