"""`RescoreNet`: how good a pose is, told from its shape."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from raypose.errors import RayposeError
from raypose.models.base_module import BaseModule, InitCfg

_HIDDEN = 256


class RescoreNet(BaseModule):
    """Estimate the OKS of poses from the limbs and the scores of their keypoints.

    Geng et al.: "Bottom-Up Human Pose Estimation Via Disentangled Keypoint Regression", CVPR 2021.

    Args:
        in_channels: 3L + K for L limbs of a skeleton of K keypoints.
        norm_indexes: two limbs whose mean length is the unit of the others.
        init_cfg: see `BaseModule`.
    """

    def __init__(
        self, in_channels: int, norm_indexes: Sequence[int], init_cfg: InitCfg = None
    ) -> None:
        super().__init__(init_cfg)
        self.in_channels = in_channels
        self.norm_indexes = list(norm_indexes)
        self.l1 = nn.Linear(in_channels, _HIDDEN)
        self.l2 = nn.Linear(_HIDDEN, _HIDDEN)
        self.l3 = nn.Linear(_HIDDEN, 1)
        self.relu = nn.ReLU()

    def forward(
        self, keypoints: Tensor, scores: Tensor, links: Sequence[tuple[int, int]]
    ) -> Tensor:
        """Return one number (N,) for each pose.

        Args:
            keypoints: (N, K, 2) in pixels of the input.
            scores: (N, K).
            links: the L limbs of the skeleton.

        Raises:
            RayposeError: for another skeleton than that of the trained network.
        """
        expected = 3 * len(links) + scores.shape[1]
        if expected != self.in_channels:
            raise RayposeError(
                f"rescore_cfg.in_channels is {self.in_channels}, but a skeleton of "
                f"{scores.shape[1]} keypoints and {len(links)} links needs {expected}"
            )
        start, end = ([link[side] for link in links] for side in (0, 1))
        ways = keypoints[:, start] - keypoints[:, end]
        lengths = ways.norm(dim=2)
        unit = lengths[:, self.norm_indexes].mean(dim=1, keepdim=True).clamp(min=1)
        features = [(ways / unit[..., None]).flatten(1), lengths / unit, scores]
        x = self.relu(self.l1(torch.cat(features, dim=1)))
        return self.l3(self.relu(self.l2(x)))[:, 0]
