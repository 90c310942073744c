"""`SPR`: people from roots and displacements, whatever their number."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from raypose.codecs import SPR
from raypose.errors import RayposeError

K = 4


def build(**options: Any) -> SPR:
    return SPR(
        **{
            "input_size": [96, 128],
            "heatmap_size": [24, 32],
            "sigma": [2, 1],
            "generate_keypoint_heatmaps": True,
            **options,
        }
    )


def people() -> tuple[Tensor, Tensor]:
    """Return keypoints (2, 2, K, 2) and visibility: two people, and one with padding."""
    shape = torch.tensor([[0.0, 0.0], [30.0, 4.0], [4.0, 40.0], [26.0, 36.0]])
    first = torch.stack([shape + 6, shape * 0.8 + torch.tensor([60.0, 80.0])])
    keypoints = torch.stack([first, torch.stack([shape + 30, shape * 0])])
    visible = torch.ones(2, 2, K)
    visible[1, 1] = 0
    return keypoints, visible


def outputs(codec: SPR, keypoints: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    targets = codec.encode(keypoints, visible)
    return targets["heatmaps"], targets["displacements"]


@pytest.mark.parametrize("root_type", ["kpt_center", "bbox_center"])
def test_decoding_the_target_returns_everybody(root_type: str) -> None:
    codec = build(root_type=root_type)
    keypoints, visible = people()

    found, (roots, scores) = codec.decode(outputs(codec, keypoints, visible))

    assert [len(points) for points in found] == [2, 1]
    assert scores is not None
    for i, points in enumerate(found):
        order = points[:, 0, 0].argsort()
        torch.testing.assert_close(points[order], keypoints[i, : len(points)], atol=1e-3, rtol=0)
        assert roots[i].tolist() == [1] * len(points)
        assert (scores[i] > 0.35).all()  # a keypoint lies up to half a cell beside its maximum


def test_an_image_alone_gives_what_it_gives_in_a_batch() -> None:
    codec = build()
    heatmaps, displacements = outputs(codec, *people())
    heatmaps = heatmaps + 0.02 * torch.rand(heatmaps.shape, generator=torch.manual_seed(0))
    keypoints, (roots, scores) = codec.decode((heatmaps, displacements))
    assert scores is not None

    for i in range(2):
        one = codec.decode((heatmaps[i : i + 1], displacements[i : i + 1]))
        torch.testing.assert_close(one[0][0], keypoints[i])
        torch.testing.assert_close(one[1][0][0], roots[i])
        assert one[1][1] is not None
        torch.testing.assert_close(one[1][1][0], scores[i])


def test_the_best_roots_come_first_and_are_limited() -> None:
    codec = build(decode_max_instances=1)
    heatmaps, displacements = outputs(codec, *people())
    heatmaps[:, -1, 20:] *= 0.5

    found, (roots, _) = codec.decode((heatmaps, displacements))

    assert [len(points) for points in found] == [1, 1]
    assert roots[0].item() == 1
    torch.testing.assert_close(found[0][0], people()[0][0, 0], atol=1e-3, rtol=0)


def test_where_people_overlap_the_smaller_one_keeps_the_cells() -> None:
    codec = build()
    shape = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]])
    big, small = 48 + 40 * shape, 52 + 16 * shape
    both = torch.stack([big, small])[None]
    swapped = both.flip(1)

    targets = codec.encode(both)

    torch.testing.assert_close(targets["displacements"], codec.encode(swapped)["displacements"])
    own = codec.encode(small[None, None])
    near = own["displacement_weights"] > 0
    torch.testing.assert_close(targets["displacements"][near], own["displacements"][near])


def test_small_people_and_padding_have_no_root() -> None:
    keypoints, visible = people()
    keypoints[0, 0] *= 0.1

    targets = build(minimal_diagonal_length=5).encode(keypoints, visible)

    roots = targets["heatmaps"][:, -1]
    assert (roots == 1).flatten(1).sum(1).tolist() == [1, 1]
    assert torch.equal(targets["heatmap_weights"] == 1, targets["heatmaps"] > 0)
    assert targets["heatmap_weights"].min().item() == pytest.approx(0.1)
    none = build().encode(keypoints[:, :0], visible[:, :0])
    assert {value.abs().max().item() for value in (none["heatmaps"], none["displacements"])} == {0}


def test_without_keypoint_heatmaps_there_are_only_root_scores() -> None:
    codec = build(generate_keypoint_heatmaps=False, sigma=2.0)

    heatmaps, displacements = outputs(codec, *people())
    found, (_, scores) = codec.decode((heatmaps, displacements))

    assert heatmaps.shape[1] == 1
    assert scores is None
    assert [len(points) for points in found] == [2, 1]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(RayposeError, match=r"sigma of SPR .* got \[2\]"):
        build(sigma=2)
    with pytest.raises(RayposeError, match="root_type of SPR is 'kpt_center' or 'bbox_center'"):
        build(root_type="head")
    with pytest.raises(RayposeError, match=r"\(B, 5, H, W\), got \(1, 4, 8, 8\)"):
        build().decode((torch.zeros(1, 4, 8, 8), torch.zeros(1, 8, 8, 8)))
