"""SimOTA against a plain loop, similarity and points against hand-computed numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from raypose.errors import ConfigError, RayposeError
from raypose.models.assigners import (
    BBoxOverlaps2D,
    MlvlPointGenerator,
    PoseOKS,
    SimOTAAssigner,
    Truth,
)
from raypose.ops.oks import oks_matrix
from tests.models.no_host_wait import NoHostWait

K = 17


def test_points_are_corners_or_middles_of_cells() -> None:
    sizes = [(2, 3), (1, 1)]
    corner, middle, half = (
        MlvlPointGenerator([8, (16, 32)], **options).grid_priors(sizes)
        for options in ({"offset": 0}, {"centralize_points": True}, {})
    )
    assert corner[:6, :2].tolist() == [[0, 0], [8, 0], [16, 0], [0, 8], [8, 8], [16, 8]]
    assert corner[:, 2:].tolist() == [[8, 8]] * 6 + [[16, 32]]
    assert (middle - corner)[[0, 6], :2].tolist() == [[3.5, 3.5], [7.5, 15.5]]
    assert (half - corner)[[0, 6], :2].tolist() == [[4, 4], [8, 16]]


def test_points_need_a_map_for_each_stride() -> None:
    with pytest.raises(RayposeError, match="has 2 strides for 1 maps"):
        MlvlPointGenerator([8, 16]).grid_priors([(2, 2)])


def test_overlap_of_boxes() -> None:
    one = torch.tensor([[[0.0, 0.0, 4.0, 4.0]], [[0.0, 0.0, 2.0, 2.0]]])
    other = torch.tensor([[2.0, 0.0, 6.0, 4.0], [8.0, 8.0, 9.0, 9.0]])
    torch.testing.assert_close(BBoxOverlaps2D()(one, other), torch.tensor([[1 / 3, 0], [0, 0]]))


def test_similarity_is_that_of_the_metric() -> None:
    rng = np.random.default_rng(0)
    poses, truth = (rng.uniform(0, 100, (n, K, 3)).astype(np.float32) for n in (3, 2))
    areas = np.array([900.0, 2500.0])
    seen = torch.ones(2, K)

    found = PoseOKS("coco")(
        torch.from_numpy(poses[:, None, :, :2]),
        torch.from_numpy(truth[..., :2]),
        seen,
        torch.from_numpy(areas).float(),
    )

    for i, area in enumerate(areas):
        want = oks_matrix(poses, truth[i : i + 1], np.full(3, area), np.full(1, area))
        np.testing.assert_allclose(found[:, i : i + 1], want, atol=1e-6)
    assert (
        PoseOKS("coco")(torch.zeros(1, K, 2), torch.zeros(1, K, 2), seen[:1] * 0, seen[:1, 0]) == 0
    )


def scene(B: int = 2, N: int = 4, seed: int = 0) -> tuple[Tensor, dict[str, Tensor], Truth]:
    """Return priors, predictions near the truth, and overlapping people."""
    generator = torch.Generator().manual_seed(seed)
    random = lambda *shape: torch.rand(*shape, generator=generator)  # noqa: E731
    priors = MlvlPointGenerator([8, 16], offset=0).grid_priors([(8, 8), (4, 4)])
    low, extent = random(B, N, 2) * 30, 10 + random(B, N, 2) * 30
    keypoints = low[:, :, None] + random(B, N, K, 2) * extent[:, :, None]
    truth = Truth(
        torch.cat([low, low + extent], dim=-1),
        torch.zeros(B, N, dtype=torch.long),
        keypoints,
        (random(B, N, K) > 0.3).float(),
        extent.prod(dim=-1),
    )
    A = len(priors)
    which = torch.randint(N, (B, A), generator=generator)
    image = torch.arange(B)[:, None]
    predictions = {
        "scores": random(B, A, 1),
        "bboxes": truth.bboxes[image, which] + random(B, A, 4) * 6,
        "keypoints": keypoints[image, which] + random(B, A, K, 2) * 6,
        "keypoints_visible": random(B, A, K),
    }
    return priors, predictions, truth


def plain_assign(
    assigner: Any, priors: Tensor, predictions: dict[str, Tensor], truth: Truth, image: int
) -> tuple[list[int], list[float]]:
    """Assign one image by loops, as the paper describes it."""
    boxes, _, keypoints, visible, areas = (value[image] for value in truth)
    A, N = len(priors), len(boxes)
    inside, central = np.zeros((A, N), bool), np.zeros((A, N), bool)
    cost, overlap = np.full((A, N), np.inf), np.zeros((A, N))
    for a in range(A):
        for n in range(N):
            point, stride = priors[a, :2], priors[a, 2:]
            middle = (boxes[n, :2] + boxes[n, 2:]) / 2
            if assigner.use_keypoints_for_center and visible[n].any():
                middle = keypoints[n][visible[n] > 0].mean(dim=0)
            inside[a, n] = bool((point > boxes[n, :2]).all() and (point < boxes[n, 2:]).all())
            central[a, n] = bool(((point - middle).abs() < assigner.center_radius * stride).all())
    for a in np.flatnonzero((inside | central).any(axis=1)):
        for n in range(N):
            predicted = {key: value[image, a] for key, value in predictions.items()}
            iou = assigner.iou_calculator(predicted["bboxes"], boxes[n])
            oks = assigner.oks_calculator(
                predicted["keypoints"], keypoints[n], visible[n], areas[n]
            )
            score = predicted["scores"]
            entropy = F.binary_cross_entropy(score, torch.ones_like(score), reduction="sum")
            value = 3 * -torch.log(iou + 1e-7) + 3 * -torch.log(oks + 1e-7) + entropy
            if assigner.vis_weight:
                value = value + assigner.vis_weight * F.binary_cross_entropy(
                    predicted["keypoints_visible"], visible[n], reduction="sum"
                )
            cost[a, n] = float(value) + 1e5 * (not (inside[a, n] and central[a, n]))
            overlap[a, n] = float(iou if assigner.dynamic_k_indicator == "iou" else oks)
    wants = np.zeros((A, N), bool)
    for n in range(N):
        count = max(int(np.sort(overlap[:, n])[::-1][: assigner.candidate_topk].sum()), 1)
        best = np.argsort(cost[:, n])[:count]
        wants[best[np.isfinite(cost[best, n])], n] = True
    chosen = [
        -1 if not row.any() else int(row.argmax() if row.sum() == 1 else cost[a].argmin())
        for a, row in enumerate(wants)
    ]
    return chosen, [0.0 if n < 0 else overlap[a, n] for a, n in enumerate(chosen)]


@pytest.mark.parametrize(
    ("options", "seed"),
    [
        ({}, 0),
        ({"dynamic_k_indicator": "oks", "use_keypoints_for_center": True}, 1),
        ({"vis_weight": 0.5, "candidate_topk": 3, "center_radius": 1.0}, 2),
    ],
)
def test_people_get_the_cells_of_a_plain_loop(options: dict[str, Any], seed: int) -> None:
    assigner = SimOTAAssigner(**options)
    priors, predictions, truth = scene(seed=seed)
    truth.keypoints_visible[0, 0] = 0  # somebody whose keypoints nobody sees

    found = assigner.assign(priors, **predictions, truth=truth)

    for image in range(2):
        instances, overlaps = plain_assign(assigner, priors, predictions, truth, image)
        assert found.instances[image].tolist() == instances
        np.testing.assert_allclose(found.overlaps[image], overlaps, atol=1e-6)
    assert len(found.instances.unique()) == 5


def test_padding_and_other_images_change_nothing() -> None:
    priors, predictions, truth = scene(B=3)
    alone = [
        SimOTAAssigner().assign(
            priors,
            **{key: value[i : i + 1] for key, value in predictions.items()},
            truth=Truth(*(value[i : i + 1] for value in truth)),
        )
        for i in range(3)
    ]
    empty = [torch.zeros_like(value[:, :1]) for value in truth]
    empty[1] -= 1
    padded = Truth(*(torch.cat(pair, dim=1) for pair in zip(truth, empty, strict=True)))
    assigner = SimOTAAssigner()

    with NoHostWait():
        found = assigner.assign(priors, **predictions, truth=padded)

    assert torch.equal(found.instances, torch.cat([one.instances for one in alone]))
    assert torch.equal(found.overlaps, torch.cat([one.overlaps for one in alone]))


def test_nobody_gets_nothing() -> None:
    priors, predictions, truth = scene()
    nobody = Truth(*(value[:, :0] for value in truth))
    far = truth._replace(bboxes=truth.bboxes + 1000, labels=truth.labels)

    for people in (nobody, far):
        found = SimOTAAssigner().assign(priors, **predictions, truth=people)
        assert (found.instances == -1).all()
        assert (found.overlaps == 0).all()


def test_mistakes_are_named() -> None:
    with pytest.raises(ConfigError, match="dynamic_k_indicator is 'iou' or 'oks', got 'giou'"):
        SimOTAAssigner(dynamic_k_indicator="giou")
    with pytest.raises(RayposeError, match="sigmas of 17 keypoints, poses have 13"):
        PoseOKS()(*[torch.zeros(1, 13, 2)] * 2, torch.ones(1, 13), torch.ones(1))
    with pytest.raises(ConfigError, match="has no sigmas"):
        PoseOKS({"name": "bare", "keypoints": ["a", "b"]})
