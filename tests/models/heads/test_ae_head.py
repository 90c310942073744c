"""The bottom-up head: losses for several people, masks, flip test, several scales."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from raypose.errors import RayposeError
from raypose.models.heads import AssociativeEmbeddingHead
from raypose.structures import PoseBatch
from tests.models.drawn_weights import draw_weights
from tests.models.no_host_wait import NoHostWait

K = 3
FLIP_INDICES = (0, 2, 1)
SIZE = 64


def build(tag_dim: int = 1, tag_per_keypoint: bool = True, cells: int = SIZE) -> Any:
    head = AssociativeEmbeddingHead(
        in_channels=4,
        num_keypoints=K,
        tag_dim=tag_dim,
        tag_per_keypoint=tag_per_keypoint,
        deconv_out_channels=None,
        keypoint_loss={"type": "KeypointMSELoss", "use_target_weight": True},
        decoder={
            "type": "AssociativeEmbedding",
            "input_size": [SIZE, SIZE],
            "heatmap_size": [cells, cells],
            "sigma": 2,
            "decode_keypoint_order": list(range(K)),
        },
    )
    return draw_weights(head).eval()


def two_people() -> Tensor:
    """Return keypoints (2, 2, K, 2): two people in the first image, one in the second."""
    one = torch.tensor([[10.0, 12.0], [20.0, 40.0], [14.0, 50.0]])
    return torch.stack(
        [torch.stack([one, one + torch.tensor([30.0, 4.0])]), torch.stack([one] * 2)]
    )


def encoded(cells: int = 16) -> PoseBatch:
    visible = torch.ones(2, 2, K)
    visible[1, 1] = 0  # padding
    visible[0, 0, 1] = 0  # hidden in one of two people
    visible[1, 0, 2] = 0  # hidden in the only one
    batch = PoseBatch(keypoints=two_people(), keypoints_visible=visible, flip_indices=FLIP_INDICES)
    return build(cells=cells).decoder.encode_batch(batch)


def features(seed: int = 0, cells: int = 16) -> tuple[Tensor]:
    return (torch.randn(2, 4, cells, cells, generator=torch.Generator().manual_seed(seed)),)


def test_several_people_share_heatmaps() -> None:
    head, batch, feats = build(), encoded(), features()
    heatmaps, tags = head(feats)

    losses = head.loss(feats, batch)

    # Only the keypoint that nobody in an image shows is left out of its loss.
    weights = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]])[..., None, None]
    error = ((heatmaps - batch.targets["heatmaps"]).square() * weights).mean()
    torch.testing.assert_close(losses["loss_kpt"], error)
    pull, push = head.loss_module["tag_loss"](tags, batch.targets["keypoint_indices"])
    torch.testing.assert_close((losses["loss_pull"], losses["loss_push"]), (pull, push))
    assert push.item() > 0


def test_an_image_without_people_gives_a_finite_loss() -> None:
    batch = encoded()
    empty = {
        name: value if name == "heatmaps" else value[:, :0] for name, value in batch.targets.items()
    }

    losses = build().loss(features(), batch.replace(targets=empty))

    assert [value.item() for value in losses.values()] == [0, 0, 0]


@pytest.mark.parametrize(("where", "size"), [("targets", 16), ("annotations", SIZE)])
def test_masked_regions_do_not_count(where: str, size: int) -> None:
    head, batch, feats = build(), encoded(), features()
    mask = torch.ones(2, size, size, dtype=torch.bool)
    mask[..., : size // 2] = False
    getattr(batch, where)["heatmap_mask"] = mask
    want = head.loss(feats, batch)["loss_kpt"]
    batch.targets["heatmaps"][..., :8] += 3

    torch.testing.assert_close(head.loss(feats, batch)["loss_kpt"], want)


def test_loss_does_not_wait_for_the_device() -> None:
    # Meta tensors take the way of a GPU, and have no values that one could wait for.
    head, batch = build().to("meta"), encoded().to("meta")

    with NoHostWait():
        losses = head.loss([feat.to("meta") for feat in features()], batch)
        torch.stack(list(losses.values())).sum().backward()

    assert all(p.grad is not None for p in head.parameters())


def test_shared_tags_are_those_of_each_keypoint() -> None:
    shared = build(tag_dim=2, tag_per_keypoint=False)
    batch, feats = encoded(), features()
    heatmaps, tags = shared(feats)
    assert heatmaps.shape[1] == K
    assert tags.shape[1] == 2

    losses = shared.loss(feats, batch)

    copies = torch.cat([tags[:, :1]] * K + [tags[:, 1:]] * K, dim=1)
    want = shared.loss_module["tag_loss"](copies, batch.targets["keypoint_indices"])
    torch.testing.assert_close((losses["loss_pull"], losses["loss_push"]), want)


def answer_with_targets(head: Any, flipped: bool) -> None:
    """Let the network answer with what it was trained for; people have the tags 1 and 5."""
    targets = encoded(SIZE).targets
    tags = torch.zeros(2, K, SIZE, SIZE)
    for sample, person, k in np.ndindex(2, 2, K):
        x, y = (int(value) for value in two_people()[sample, person, k])
        tags[sample, k, y - 4 : y + 5, x - 4 : x + 5] = 1 + 4 * person * (sample == 0)
    outputs = targets["heatmaps"], tags
    if flipped:
        flips = list(FLIP_INDICES)
        mirrored = [maps[:, flips].flip(-1) for maps in outputs]
        outputs = tuple(torch.cat(pair) for pair in zip(outputs, mirrored, strict=True))
    head.forward = lambda feats: outputs


@pytest.mark.parametrize("flip_test", [False, True])
def test_people_are_told_apart(flip_test: bool) -> None:
    head = build()
    answer_with_targets(head, flip_test)
    batch = PoseBatch(flip_indices=FLIP_INDICES, flip_test=flip_test)

    found = head.predict(features(), batch)

    assert [len(poses) for poses in found] == [2, 1]
    for i, poses in enumerate(found):
        order = np.argsort(poses.keypoints[:, 0, 0])
        people = two_people()[i].numpy()[: len(poses)]
        # The first person of each image hides one keypoint.
        shown = np.ones((len(poses), K), bool)
        shown[0, 1 if i == 0 else 2] = False
        np.testing.assert_allclose(poses.keypoints[order][shown], people[shown], atol=1)
        assert (poses.keypoint_scores[order][shown] > 0.9).all()
        assert poses.scores is not None
        np.testing.assert_array_equal(poses.scores, poses.bbox_scores)


@pytest.mark.parametrize("tag_dim", [1, 2])
@pytest.mark.parametrize("shift", [False, True])
def test_flip_test_averages_heatmaps_and_joins_tags(tag_dim: int, shift: bool) -> None:
    head = build(tag_dim)
    head.test_cfg = {"shift_heatmap": shift}
    plain, mirrored = features(1), features(2)
    both = (torch.cat([plain[0], mirrored[0]]),)

    batch = PoseBatch(flip_indices=FLIP_INDICES, flip_test=True)
    heatmaps, tags = head.forward_test(both, batch)

    def undo(maps: Tensor) -> Tensor:
        maps = maps.unflatten(1, (-1, K))[:, :, list(FLIP_INDICES)].flatten(1, 2).flip(-1)
        if shift:
            maps = torch.cat([maps[..., :1], maps[..., :-1]], dim=-1)
        return maps

    want = [undo(maps) for maps in head(mirrored)]
    torch.testing.assert_close(heatmaps, (head(plain)[0] + want[0]) / 2)
    torch.testing.assert_close(tags, torch.cat([head(plain)[1], want[1]], dim=1))


def test_heatmaps_are_resized_to_the_input() -> None:
    head = build()
    head.test_cfg = {"restore_heatmap_size": True}
    seen: list[Any] = []
    head.decode = lambda outputs: seen.append(outputs) or []

    head.predict(features(), PoseBatch(inputs=torch.zeros(2, 3, 48, SIZE)))

    heatmaps, tags = seen[0]
    assert heatmaps.shape == tags.shape == (2, K, 48, SIZE)
    want = torch.nn.functional.interpolate(head(features())[0], (48, SIZE), mode="bilinear")
    torch.testing.assert_close(heatmaps, want)
    with pytest.raises(RayposeError, match="needs the inputs of the batch"):
        head.predict(features(), PoseBatch())


def test_scales_are_averaged_and_tags_are_those_of_the_input() -> None:
    head = build()
    head.test_cfg = {"multiscale_test": True}
    seen: list[Any] = []
    head.decode = lambda outputs: seen.append(outputs) or []
    scales = [features(1, 16), features(2, 32)]

    head.predict(scales, PoseBatch())

    small, large = (head(scale) for scale in scales)
    resized = torch.nn.functional.interpolate(large[0], (16, 16), mode="bilinear")
    torch.testing.assert_close(seen[0][0], (small[0] + resized) / 2)
    torch.testing.assert_close(seen[0][1], small[1])
