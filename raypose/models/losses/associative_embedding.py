"""Loss of the tags that group keypoints into people.

B samples, N instances, K keypoints, L tags for each keypoint, H and W cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from raypose.errors import RayposeError
from raypose.registry import MODELS


@MODELS.register_module()
class AssociativeEmbeddingLoss(nn.Module):
    """Pull the tags of one person together, push those of different people apart.

    Newell et al.: "Associative Embedding: End-to-End Learning for Joint Detection and Grouping",
    NeurIPS 2017. People without a visible keypoint do not count.

    Args:
        loss_weight: factor of both results.
        push_loss_factor: further factor of the second.

    Example:
        type: AssociativeEmbeddingLoss
        loss_weight: 0.001
    """

    def __init__(self, loss_weight: float = 1.0, push_loss_factor: float = 0.5) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.push_loss_factor = push_loss_factor

    def forward(
        self, tags: Tensor, keypoint_indices: Tensor | Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return the pull and the push loss, both summed over samples.

        Args:
            tags: (B, L * K, H, W), tag after tag.
            keypoint_indices: (B, N, K, 2) integers, or a list of B (N_i, K, 2): the cell
                y * W + x of each keypoint and whether it is visible.

        Raises:
            RayposeError: if tags and indices are for different numbers of samples or keypoints.
        """
        if not isinstance(keypoint_indices, Tensor):
            keypoint_indices = pad_sequence(list(keypoint_indices), batch_first=True)
        B, _, K, _ = keypoint_indices.shape
        if len(tags) != B or tags.shape[1] % K:
            raise RayposeError(
                f"tags of shape {tuple(tags.shape)} do not fit keypoint_indices of shape "
                f"{tuple(keypoint_indices.shape)}; (B, L * K, H, W) and (B, N, K, 2) are expected"
            )
        values, visible = _tags_of_keypoints(tags, keypoint_indices)
        counts = visible.sum(dim=2)  # (B, N)
        weight = visible[:, None]  # (B, 1, N, K)
        means = (values * weight).sum(dim=3) / counts.clamp(min=1)[:, None]  # (B, L, N)
        present = (counts > 0).to(tags)
        people = present.sum(dim=1)

        spread = ((values - means[..., None]).square() * weight).sum(dim=(1, 3))
        L = values.shape[1]
        pull = (spread / (counts.clamp(min=1) * L)).sum(dim=1) / (people + 1e-6)

        likeness = torch.exp(-(means[..., None] - means[..., None, :]).square()).sum(dim=1)
        pairs = present[:, :, None] * present[:, None, :]
        push = (likeness * pairs).sum(dim=(1, 2)) / (people * (people - 1) + 1e-6)
        push = torch.where(people > 1, push, 0)
        return (
            pull.sum() * self.loss_weight,
            push.sum() * self.loss_weight * self.push_loss_factor,
        )


def _tags_of_keypoints(tags: Tensor, keypoint_indices: Tensor) -> tuple[Tensor, Tensor]:
    """Read tags where keypoints are.

    Returns:
        Tags (B, L, N, K), and (B, N, K) 1 where a keypoint is visible.
    """
    B, _, K, _ = keypoint_indices.shape
    cells, flags = keypoint_indices.unbind(dim=-1)
    visible = flags > 0
    # Those outside the heatmap have cells that do not exist.
    index = torch.where(visible, cells, 0).transpose(1, 2)[:, None]  # (B, 1, K, N)
    maps = tags.reshape(B, -1, K, tags.shape[2] * tags.shape[3])
    values = maps.gather(3, index.expand(-1, maps.shape[1], -1, -1))
    return values.transpose(2, 3), visible.to(tags)
