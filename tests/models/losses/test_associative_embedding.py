"""Pull and push by hand; what must not matter: padding, batching, hidden keypoints."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from raypose.errors import RayposeError
from raypose.models.losses import AssociativeEmbeddingLoss
from tests.models.no_host_wait import NoHostWait


def random_case(B: int, N: int, K: int, L: int = 1, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return tags (B, L * K, 6, 5) and indices (B, N, K, 2), one in four hidden."""
    generator = torch.Generator().manual_seed(seed)
    tags = torch.randn(B, L * K, 6, 5, generator=generator)
    cells = torch.randint(30, (B, N, K), generator=generator)
    visible = torch.randint(4, (B, N, K), generator=generator) > 0
    return tags, torch.stack([cells, visible.long()], dim=-1)


def test_two_people_by_hand() -> None:
    # Tags of the first are 1 and 3 (mean 2), of the second 5 (one keypoint hidden).
    tags = torch.tensor([[[[1.0, 5.0]], [[3.0, 9.0]]]])
    indices = torch.tensor([[[[0, 1], [0, 1]], [[1, 1], [1, 0]]]])

    pull, push = AssociativeEmbeddingLoss(loss_weight=2.0, push_loss_factor=0.1)(tags, indices)

    assert pull.item() == pytest.approx(2.0 * (1.0 + 0.0) / 2, rel=1e-5)
    pairs = 2 + 2 * math.exp(-9)  # each with itself, and both ways
    assert push.item() == pytest.approx(2.0 * 0.1 * pairs / 2, rel=1e-5)


def test_one_person_is_not_pushed_and_nobody_costs_nothing() -> None:
    tags, indices = random_case(B=1, N=1, K=4)
    loss = AssociativeEmbeddingLoss()

    assert loss(tags, indices)[1].item() == 0
    indices[..., 1] = 0
    assert [value.item() for value in loss(tags, indices)] == [0, 0]
    assert [value.item() for value in loss(tags, indices[:, :0])] == [0, 0]


@pytest.mark.parametrize("L", [1, 2])
def test_samples_add_up_and_padding_does_not_count(L: int) -> None:
    loss = AssociativeEmbeddingLoss()
    tags, indices = random_case(B=3, N=4, K=5, L=L)
    alone = [loss(tags[i : i + 1], indices[i : i + 1]) for i in range(3)]

    padded = torch.cat([indices, torch.zeros(3, 2, 5, 2, dtype=torch.int64)], dim=1)
    got = loss(tags, padded)

    want = tuple(sum(values) for values in zip(*alone, strict=True))
    torch.testing.assert_close(got, want)


def test_a_list_with_different_numbers_of_people_is_padded() -> None:
    loss = AssociativeEmbeddingLoss()
    tags, indices = random_case(B=2, N=3, K=5)
    indices[1, 1:, :, 1] = 0

    got = loss(tags, [indices[0], indices[1, :1]])

    torch.testing.assert_close(got, loss(tags, indices))


def test_cells_of_hidden_keypoints_may_lie_anywhere() -> None:
    loss = AssociativeEmbeddingLoss()
    tags, indices = random_case(B=2, N=3, K=5)
    want = loss(tags, indices)
    hidden = indices[..., 1] == 0
    indices[..., 0] = torch.where(hidden, -7000, indices[..., 0])

    torch.testing.assert_close(loss(tags, indices), want)


def test_the_host_never_waits() -> None:
    tags, indices = random_case(B=2, N=3, K=5)
    tags.requires_grad_()

    with NoHostWait():
        pull, push = AssociativeEmbeddingLoss()(tags, indices)
        (pull + push).backward()

    assert tags.grad is not None
    assert tags.grad.isfinite().all()


def test_tags_that_do_not_fit_are_refused() -> None:
    tags, indices = random_case(B=2, N=3, K=5)

    with pytest.raises(RayposeError, match=r"\(B, L \* K, H, W\) and \(B, N, K, 2\)"):
        AssociativeEmbeddingLoss()(tags[:, :4], indices)
