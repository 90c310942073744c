from __future__ import annotations

import pytest
import torch
from torch import Tensor

from raypose.codecs import AssociativeEmbedding

K = 4


def codec(**arguments: object) -> AssociativeEmbedding:
    settings = {"decode_keypoint_order": [2, 0, 1, 3], "sigma": 1, **arguments}
    return AssociativeEmbedding([128, 96], [64, 48], **settings)  # pyright: ignore[reportArgumentType]


def scene(people: int, seed: int = 0, missing: float = 0.0) -> tuple[Tensor, Tensor]:
    """Keypoints (1, N, K, 2) well apart, and visibility."""
    generator = torch.Generator().manual_seed(seed)
    # People stand on a grid, so that no two peaks of a keypoint share a window.
    corners = torch.tensor([[10.0 + 36 * (n % 3), 10.0 + 40 * (n // 3)] for n in range(people)])
    points = corners[:, None] + 2 * torch.randint(0, 10, (people, K, 2), generator=generator)
    visible = (torch.rand(people, K, generator=generator) >= missing).float()
    return points[None], visible[None]


def outputs_of(points: Tensor, visible: Tensor, tags: list[float]) -> tuple[Tensor, Tensor]:
    """Ideal heatmaps and tags: each person's own around its keypoints, -9 elsewhere."""
    heatmaps = codec().encode(points, visible)["heatmaps"]
    maps = torch.full(heatmaps.shape, -9.0)
    for n, tag in enumerate(tags):
        own = codec().encode(points[:, n : n + 1], visible[:, n : n + 1])["heatmaps"]
        maps[own > 0] = tag
    return heatmaps, maps


def test_encoded_cells_hold_the_keypoints() -> None:
    points = torch.tensor([[[[6.0, 4.0], [127.0, 95.0], [-5.0, 10.0], [20.0, 20.0]]]])
    visible = torch.tensor([[[1.0, 1.0, 1.0, 0.0]]])

    targets = codec().encode(points, visible)

    assert targets["keypoint_indices"][0, 0].tolist() == [
        [2 * 64 + 3, 1],
        [48 * 64 + 64, 0],  # rounds to the cell behind the last one
        [5 * 64 - 2, 0],
        [10 * 64 + 10, 0],
    ]
    assert targets["keypoint_indices"].dtype == torch.int64
    assert targets["heatmaps"][0, 0, 2, 3] == 1


def test_padded_instances_and_their_order_change_nothing() -> None:
    points, visible = scene(4)
    padded = torch.cat([torch.zeros(1, 2, K, 2), points], dim=1)
    padded_visible = torch.cat([torch.zeros(1, 2, K), visible], dim=1)
    order = torch.tensor([3, 1, 0, 2])

    heatmaps = codec().encode(points, visible)["heatmaps"]

    assert torch.equal(codec().encode(padded, padded_visible)["heatmaps"], heatmaps)
    permuted = codec().encode(points[:, order], visible[:, order])
    assert torch.equal(permuted["heatmaps"], heatmaps)


def test_one_instance_is_drawn_as_one_of_many() -> None:
    points, visible = scene(1)
    twice = codec().encode(points.repeat(1, 2, 1, 1), visible.repeat(1, 2, 1))

    assert torch.equal(codec().encode(points, visible)["heatmaps"], twice["heatmaps"])


@pytest.mark.parametrize("use_udp", [False, True])
def test_people_are_found_and_told_apart(use_udp: bool) -> None:
    points, visible = scene(5)
    tags = [0.0, 3.0, 6.0, -3.0, 9.0]
    heatmaps, maps = outputs_of(points, visible, tags)

    keypoints, (scores, instance_scores) = codec(use_udp=use_udp).decode((heatmaps, maps))

    assert keypoints[0].shape == (5, K, 2)
    assert scores[0].shape == (5, K)
    assert instance_scores[0].tolist() == pytest.approx([1.0] * 5)
    expected = points[0] if not use_udp else points[0] / 2 * torch.tensor([127 / 63, 95 / 47])
    # In which order the groups begin is open; each person is one of them.
    distance = (keypoints[0][:, None] - expected[None]).abs().amax(dim=(2, 3))
    assert (distance < 0.6).sum(dim=0).tolist() == [1] * 5


def test_a_missing_keypoint_is_the_best_cell_with_the_tag_of_the_group() -> None:
    points, visible = scene(2)
    heatmaps, maps = outputs_of(points, visible, [0.0, 5.0])
    x, y = (points[0, 1, 3] / 2).long().tolist()
    heatmaps[0, 3] *= torch.where(maps[0, 3] == 5, 0.05, 1.0)  # below decode_keypoint_thr

    keypoints, (scores, instance_scores) = codec().decode((heatmaps, maps))

    person = int((keypoints[0][:, 0] - points[0, 1, 0]).norm(dim=-1).argmin())
    assert keypoints[0][person, 3].tolist() == [2 * x, 2 * y]
    assert scores[0][person, 3].item() == pytest.approx(0.05)
    assert instance_scores[0][person].item() == pytest.approx(0.75)


def test_samples_do_not_depend_on_their_batch() -> None:
    scenes = [scene(n, seed=n, missing=0.2) for n in (1, 3, 5)]
    outputs = [outputs_of(p, v, [4.0 * i for i in range(p.shape[1])]) for p, v in scenes]
    outputs.append((torch.zeros(1, K, 48, 64), torch.zeros(1, K, 48, 64)))
    batch = tuple(torch.cat(maps) for maps in zip(*outputs, strict=True))

    keypoints, (scores, instance_scores) = codec().decode(batch)

    assert [len(points) for points in keypoints] == [1, 3, 5, 0]
    assert keypoints[3].shape == (0, K, 2)
    for i, output in enumerate(outputs):
        alone, (alone_scores, alone_instance_scores) = codec().decode(output)
        assert torch.equal(alone[0], keypoints[i])
        assert torch.equal(alone_scores[0], scores[i])
        assert torch.equal(alone_instance_scores[0], instance_scores[i])


def test_tags_of_a_flip_test_count_together() -> None:
    points, visible = scene(3)
    heatmaps, maps = outputs_of(points, visible, [0.0, 4.0, 8.0])

    one, (one_scores, _) = codec().decode((heatmaps, maps))
    two, (two_scores, _) = codec().decode((heatmaps, torch.cat([maps, maps], dim=1)))

    assert torch.equal(one[0], two[0])
    assert torch.equal(one_scores[0], two_scores[0])


def test_heatmaps_of_any_size_keep_the_scale_of_the_codec() -> None:
    points, visible = scene(1)
    heatmaps, maps = outputs_of(points, visible, [0.0])
    wider = [torch.nn.functional.pad(m, (0, 10)) for m in (heatmaps, maps)]

    same, _ = codec().decode((heatmaps, maps))
    padded, _ = codec().decode(wider)

    assert torch.equal(same[0], padded[0])


def test_the_centre_shift_is_added_to_found_keypoints() -> None:
    points, visible = scene(1)
    outputs = outputs_of(points, visible, [0.0])

    plain, _ = codec().decode(outputs)
    shifted, _ = codec(decode_center_shift=0.5).decode(outputs)

    torch.testing.assert_close(shifted[0], plain[0] + 1.0)  # half a cell of two pixels


def test_only_the_first_groups_are_kept() -> None:
    points, visible = scene(4)
    keypoints, _ = codec(decode_max_instances=2).decode(
        outputs_of(points, visible, [0.0, 3.0, 6.0, 9.0])
    )

    assert keypoints[0].shape == (2, K, 2)


def test_sigma_follows_the_size_of_the_heatmap() -> None:
    assert AssociativeEmbedding([512, 512], [128, 128]).sigma == 2


def test_an_order_that_is_no_permutation_is_refused() -> None:
    with pytest.raises(ValueError, match=r"each of the 4 keypoints 0\.\.3 once, got \[0, 1\]"):
        codec(decode_keypoint_order=[0, 1]).decode((torch.zeros(1, 4, 8, 8),) * 2)


def test_tags_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"are \(1, L \* 4, 8, 8\), got \(1, 5, 8, 8\)"):
        codec().decode((torch.zeros(1, 4, 8, 8), torch.zeros(1, 5, 8, 8)))


def test_an_even_window_is_refused() -> None:
    with pytest.raises(ValueError, match="kernel_size of the suppression is odd, got 4"):
        codec(decode_nms_kernel=4).decode((torch.zeros(1, 4, 8, 8),) * 2)
