"""RTMW3D: codec, head, loss and estimator of poses with depth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from raypose.codecs import SimCC3DLabel
from raypose.errors import ConfigError, RayposeError
from raypose.models.estimators import TopdownPoseEstimator3D
from raypose.models.heads import RTMW3DHead
from raypose.models.losses import KLDiscretLoss, KLDiscretLossWithWeight
from raypose.structures import CropTransform, PoseBatch
from tests.models.drawn_weights import draw_weights, normal_input

K = 5
SIZE = (96, 128, 96)
CODEC = {"type": "SimCC3DLabel", "input_size": SIZE, "sigma": 4.0, "root_index": [1, 2]}
LABELS = ("keypoint_x_labels", "keypoint_y_labels", "keypoint_z_labels")


def build(**changes: Any) -> RTMW3DHead:
    options: dict[str, Any] = {"gau_cfg": {"hidden_dims": 16, "s": 8}, "decoder": CODEC, **changes}
    head = RTMW3DHead(16, K, SIZE, in_featuremap_size=(3, 4, 3), **options)
    return draw_weights(head).eval()


def features(B: int = 3) -> list[Tensor]:
    return [normal_input((B, 8, 8, 6)), normal_input((B, 16, 4, 3), 1)]


def points(B: int = 3) -> tuple[Tensor, Tensor]:
    """Keypoints (B, 1, K, 2) inside the crop and (B, 1, K, 3) about 5 m before the camera."""
    generator = torch.Generator().manual_seed(0)
    flat = 10 + 70 * torch.rand(B, 1, K, 2, generator=generator)
    space = torch.rand(B, 1, K, 3, generator=generator) + torch.tensor([0.0, 0.0, 5.0])
    return flat, space


def batch(B: int = 3, depth: bool = True) -> PoseBatch:
    flat, space = points(B)
    return PoseBatch(
        keypoints=flat,
        keypoints_visible=torch.ones(B, 1, K),
        annotations={"keypoints_3d": space} if depth else {},
        flip_indices=(0, 2, 1, 4, 3),
    )


@pytest.mark.parametrize("use_dark", [False, True])
def test_decoding_the_labels_returns_the_keypoints(use_dark: bool) -> None:
    codec = SimCC3DLabel(SIZE, sigma=4.0, root_index=(1, 2), z_range=1.5, use_dark=use_dark)
    flat, space = points()

    targets = codec.encode(flat, keypoints_3d=space)
    decoded, scores = codec.decode([targets[name] for name in LABELS])

    depth = space[..., 2] - space[..., 1:3, 2].mean(dim=-1, keepdim=True)
    torch.testing.assert_close(decoded[..., :2], flat, rtol=0, atol=0.26)
    # Half a bin of 192 over 3 m.
    torch.testing.assert_close(decoded[..., 2], depth, rtol=0, atol=1.5 / 192 * 1.05)
    assert scores.shape == (3, 1, K)
    assert set(targets) == set(codec.target_keys)
    torch.testing.assert_close(targets["weight_z"], targets["keypoint_weights"])


def test_the_middle_of_the_bins_is_the_root_and_the_score_is_of_x_and_y() -> None:
    x, y, z = torch.zeros(1, 1, 192), torch.zeros(1, 1, 256), torch.zeros(1, 1, 192)
    x[..., 10], y[..., 20], z[..., 96] = 0.5, 0.3, 0.1

    decoded, scores = SimCC3DLabel(SIZE).decode((x, y, z))

    assert decoded.tolist() == [[[[5.0, 10.0, 0.0]]]]
    assert scores.item() == pytest.approx(0.3)


def test_without_depths_only_z_has_no_weight() -> None:
    targets = SimCC3DLabel(SIZE).encode(points()[0])

    assert torch.equal(targets["weight_z"], torch.zeros(3, 1, K))
    assert torch.equal(targets["keypoint_weights"], torch.ones(3, 1, K))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_size": [96, 128]}, r"input_size is \(w, h, d\)"),
        ({"input_size": SIZE, "sigma": [1.0, 2.0]}, r"sigma is one number or \(x, y, z\)"),
        ({"input_size": SIZE, "z_range": 0.0}, "z_range is above 0"),
    ],
)
def test_wrong_arguments_of_the_codec(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(RayposeError, match=message):
        SimCC3DLabel(**arguments)


def test_vectors_of_another_length_are_refused() -> None:
    with pytest.raises(RayposeError, match="192 bins in x and 256 in y and 192 in z, got 192 and"):
        SimCC3DLabel(SIZE).decode((torch.zeros(1, 1, 192), torch.zeros(1, 1, 256)))


def test_keys_are_those_of_published_weights() -> None:
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    convs = ("conv_dec", "final_layer", "final_layer2")
    gau = ("gamma", "beta", "o.weight", "uv.weight", "ln.g", "res_scale.scale")
    want = {
        *(f"{conv}.conv.weight" for conv in convs),
        *(f"{conv}.bn.{name}" for conv in convs for name in norm),
        *(f"{mlp}.{name}" for mlp in ("mlp", "mlp2") for name in ("0.g", "1.weight")),
        *(f"gau.{name}" for name in gau),
        *(f"cls_{axis}.weight" for axis in "xyz"),
    }

    assert set(build().state_dict()) == want


def test_a_sample_does_not_hang_on_its_batch() -> None:
    head = build()
    for one, all_of_them in zip(
        head([feats[1:2] for feats in features()]), head(features()), strict=True
    ):
        torch.testing.assert_close(one[0], all_of_them[1])


def test_every_weight_learns_and_z_only_from_depths() -> None:
    head = build()
    codec = head.decoder
    assert codec is not None
    losses = head.loss(features(), codec.encode_batch(batch()))
    losses["loss_kld"].backward()
    assert set(losses) == {"loss_kld", "mpjpe"}
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())

    head.zero_grad()
    head.loss(features(), codec.encode_batch(batch(depth=False)))["loss_kld"].backward()
    assert head.cls_z.weight.grad is not None
    assert not head.cls_z.weight.grad.any()
    assert head.cls_x.weight.grad is not None
    assert head.cls_x.weight.grad.any()


def test_equal_weights_give_the_plain_loss() -> None:
    logits, labels = torch.randn(3, 2, 4, 8), torch.rand(3, 2, 4, 8)
    weights = torch.rand(2, 4)

    got = KLDiscretLossWithWeight(mask=[1], mask_weight=2.0)(
        logits, labels, weights.expand(3, 2, 4)
    )

    want = KLDiscretLoss(mask=[1], mask_weight=2.0)(list(logits), list(labels), weights)
    torch.testing.assert_close(got, want)


def test_mirroring_twice_changes_nothing() -> None:
    outputs = build()(features())
    once = build().flip_outputs(outputs, batch())

    torch.testing.assert_close(once[2], outputs[2][:, [0, 2, 1, 4, 3]])
    torch.testing.assert_close(build().flip_outputs(once, batch()), outputs)


@pytest.mark.parametrize("loss", ["BoneLoss", "MPJPELoss"])
def test_losses_of_coordinates_are_refused(loss: str) -> None:
    with pytest.raises(ConfigError, match=f"loss {loss} .* pass no gradient"):
        build(loss=[{"type": "KLDiscretLossWithWeight"}, {"type": loss}])
    with pytest.raises(ConfigError, match="use_target_weight is true"):
        build(loss={"type": "KLDiscretLossWithWeight", "use_target_weight": False})
    with pytest.raises(ConfigError, match="one loss, got 2"):
        build(loss=[{"type": "KLDiscretLossWithWeight"}] * 2)


class TwoMaps(nn.Module):
    def forward(self, images: Tensor) -> list[Tensor]:
        return features(len(images))


def test_the_estimator_gives_pixels_and_depths() -> None:
    estimator = TopdownPoseEstimator3D(TwoMaps(), head=build()).eval()
    crop = CropTransform.from_box((100.0, 80.0), (48.0, 64.0), SIZE[:2])
    inputs = batch().replace(inputs=torch.zeros(3, 3, 128, 96), transforms=[crop] * 3)
    inside = estimator.required_head().predict(features(), inputs)

    for found, pose in zip(estimator.predict(inputs), inside, strict=True):
        assert found.keypoints.shape == (1, K, 2)
        assert found.keypoints_3d is not None
        np.testing.assert_allclose(found.keypoints, crop.to_image(pose.keypoints[..., :2]))
        np.testing.assert_array_equal(found.keypoints_3d[..., :2], found.keypoints)
        np.testing.assert_array_equal(found.keypoints_3d[..., 2], pose.keypoints[..., 2])
