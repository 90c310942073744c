"""ED-Pose's coordinates in parts of the image, there and back."""

from __future__ import annotations

import pytest
import torch

from raypose.codecs import EDPoseLabel
from raypose.errors import RayposeError
from raypose.structures import CropTransform, PoseBatch

SIZES = [(100, 50), (200, 80)]


def test_decoding_the_targets_returns_the_people() -> None:
    codec = EDPoseLabel(num_select=2, num_keypoints=3)
    keypoints = torch.rand(2, 4, 3, 2) * 50
    low = torch.rand(2, 4, 2) * 20
    bboxes = torch.cat([low, low + 10], dim=-1)
    batch = PoseBatch(
        keypoints=keypoints,
        annotations={"bboxes": bboxes, "areas": torch.full((2, 4), 100.0)},
        transforms=[CropTransform.identity(size) for size in SIZES],
    )
    scores = torch.tensor([[0.1, 0.9, 0.2, 0.5], [0.6, 0.3, 0.7, 0.1]])[..., None]

    targets = codec.encode_batch(batch).targets
    points = torch.cat([targets["keypoints"].flatten(2), torch.ones(2, 4, 3)], dim=-1)
    decoded, (found_scores, boxes) = codec.decode(
        [scores, targets["bboxes"], points, torch.tensor(SIZES)]
    )

    assert set(targets) == set(codec.target_keys)
    torch.testing.assert_close(targets["areas"][:, 0], torch.tensor([100 / 5000, 100 / 16000]))
    for i, best in enumerate(([1, 3], [2, 0])):
        torch.testing.assert_close(decoded[i], keypoints[i, best])
        torch.testing.assert_close(boxes[i], bboxes[i, best])
        torch.testing.assert_close(found_scores[i], scores[i, best].expand(-1, 3))


def test_a_query_may_be_of_several_classes() -> None:
    codec = EDPoseLabel(num_select=100, num_keypoints=1)
    scores = torch.tensor([[[0.9, 0.1], [0.2, 0.8]]])
    boxes, points = torch.rand(1, 2, 4), torch.rand(1, 2, 3)
    decoded, (values, _) = codec.decode([scores, boxes, points, torch.tensor([[10, 10]])])
    torch.testing.assert_close(values[0, :, 0], torch.tensor([0.9, 0.8, 0.2, 0.1]))
    torch.testing.assert_close(decoded[0, :, 0], points[0, [0, 1, 1, 0], :2] * 10)


def test_another_number_of_keypoints_is_refused() -> None:
    with pytest.raises(RayposeError, match=r"decodes keypoints \(B, Q, 51\), got \(1, 2, 9\)"):
        EDPoseLabel().decode([torch.zeros(1, 2, n) for n in (2, 4, 9)] + [torch.ones(1, 2)])
