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
    head = RTMW3DHead(16, K, SIZE, **{"in_featuremap_size": (3, 4), **options})
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


def test_depths_may_be_known_for_some_samples_only() -> None:
    flat, space = points()
    mixed = space.clone()
    mixed[1] = torch.nan
    codec = SimCC3DLabel(SIZE, root_index=(1, 2))

    targets = codec.encode(flat, keypoints_3d=mixed)

    assert targets["weight_z"].sum(dim=(1, 2)).tolist() == [K, 0, K]
    assert torch.equal(targets["keypoint_weights"], torch.ones(3, 1, K))
    known = codec.encode(flat, keypoints_3d=space)
    for name in LABELS:
        assert torch.equal(targets[name][::2], known[name][::2])
        assert targets[name].isfinite().all()


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


def test_bones_are_measured_between_maxima() -> None:
    bone = {"type": "BoneLoss", "joint_parents": [0, 0, 0, 1, 2], "use_target_weight": True}
    head = build(loss=[{"type": "KLDiscretLossWithWeight"}, {**bone, "loss_weight": 2.0}])
    assert set(head.state_dict()) == set(build().state_dict())
    labels = {}
    # The bones of the last two keypoints are 4 and 8 bins longer; one's depth, 3, is not known.
    for name, width, places in zip(
        LABELS,
        (192, 256, 192),
        ([10, 20, 30, 23, 34], [10, 10, 10, 10, 10], [5, 5, 5, 9, 5]),
        strict=True,
    ):
        labels[name] = torch.eye(width)[places][None, None]
    weights = torch.ones(1, 1, K)
    weight_z = torch.tensor([[[1.0, 1.0, 1.0, 1.0, 0.0]]])
    outputs = tuple(labels[name][0].clone() for name in LABELS)
    outputs[0][0, 4] = torch.eye(192)[42]
    outputs[2][0, 3] = torch.eye(192)[5]

    losses = head.losses_of(
        outputs,
        PoseBatch(targets={**labels, "keypoint_weights": weights, "weight_z": weight_z}),
    )

    # 5 -> 3 for the one whose depth was missed, sqrt(4^2 + 5^2) -> sqrt(12^2 + 5^2) otherwise.
    lengths = 5 - 3, (12**2 + 5**2) ** 0.5 - (4**2 + 5**2) ** 0.5
    assert losses["bone"].item() == pytest.approx(2 * sum(lengths) / 4, rel=1e-5)
    assert set(losses) == {"loss_kld", "mpjpe", "bone"}


def test_other_lists_of_losses_are_refused() -> None:
    bins, bone = {"type": "KLDiscretLossWithWeight"}, {"type": "BoneLoss", "joint_parents": [0]}
    for loss in ([bins, bins], [bins, bone, bone], [bone], [bins, {"type": "MPJPELoss"}]):
        with pytest.raises(ConfigError, match="loss is that of the bins and, if wanted, a Bone"):
            build(loss=loss)
    with pytest.raises(ConfigError, match="use_target_weight is true"):
        build(loss={"type": "KLDiscretLossWithWeight", "use_target_weight": False})
    with pytest.raises(ConfigError, match=r"in_featuremap_size is \(w, h\), got \[3, 4, 3\]"):
        build(in_featuremap_size=(3, 4, 3))


class TwoMaps(nn.Module):
    def forward(self, images: Tensor) -> list[Tensor]:
        return features(len(images))


def estimated(mode: str | None = None, **annotations: Any) -> tuple[Any, Any, CropTransform]:
    """What an estimator finds, its keypoints in input space, and the crop."""
    test_cfg = {} if mode is None else {"mode": mode}
    estimator = TopdownPoseEstimator3D(TwoMaps(), head=build(), test_cfg=test_cfg).eval()
    crop = CropTransform.from_box((100.0, 80.0), (48.0, 64.0), SIZE[:2])
    inputs = batch(depth=False).replace(
        inputs=torch.zeros(3, 3, 128, 96), transforms=[crop] * 3, annotations=annotations
    )
    inside = estimator.required_head().predict(features(), inputs)
    found = estimator.predict(inputs)[1]
    np.testing.assert_allclose(found.keypoints, crop.to_image(inside[1].keypoints[..., :2]))
    return found, inside[1].keypoints, crop


def test_poses_are_in_the_space_of_the_camera() -> None:
    camera = {"f": np.array([[500.0], [400.0]]), "c": [90.0, 70.0]}
    space = torch.full((3, 1, K, 3), 7.0)
    space[..., 1, 2], space[..., 2, 2] = 3.0, 4.0  # the roots

    found, inside, _ = estimated(keypoints_3d=space, camera_param=[camera] * 3)

    depth = inside[..., 2] + 3.5
    want = (found.keypoints - [90, 70]) / [500, 400] * depth[..., None]
    np.testing.assert_allclose(found.keypoints_3d[..., :2], want, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.keypoints_3d[..., 2], depth, rtol=1e-6)
    assert found.keypoints_3d.dtype == np.float32


def test_without_a_camera_that_of_the_training_data_looks_at_the_middle() -> None:
    shape = torch.tensor([[200, 300]] * 3)
    unknown = torch.full((3, 1, K, 3), torch.nan)

    found, inside, crop = estimated("3d", img_shape=shape, keypoints_3d=unknown)
    alone, _, _ = estimated("3d")

    depth = inside[..., 2:] + 5.14388
    focal = [1145.04940459, 1143.78109572]
    for poses, center in ((found, [150, 100]), (alone, crop.center)):
        want = (poses.keypoints - center) / focal * depth
        np.testing.assert_allclose(poses.keypoints_3d[..., :2], want, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(poses.keypoints_3d[..., 2:], depth, rtol=1e-6)


def test_poses_to_draw_have_one_unit_and_flat_ones_no_depth() -> None:
    found, inside, _ = estimated("vis")
    np.testing.assert_allclose(found.keypoints_3d[..., :2], inside[..., :2])
    depth = (inside[..., 2] / 2.1744869 + 1) * 48
    np.testing.assert_allclose(found.keypoints_3d[..., 2], depth, rtol=1e-6)

    assert estimated("2d")[0].keypoints_3d is None
    with pytest.raises(ConfigError, match="mode is one of 3d, 2d, vis, got '4d'"):
        estimated("4d")
