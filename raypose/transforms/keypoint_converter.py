"""`KeypointConverter`: annotations of one skeleton for a model of another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raypose.errors import ConfigError, DataError
from raypose.ops.keypoint_mapping import convert_keypoints
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample


@TRANSFORMS.register_module()
class KeypointConverter:
    """Put the keypoints of a data set where the model's skeleton has them.

    Keypoints that nothing is mapped to are invisible; `meta["keypoints_visible_weights"]`
    (N, num_keypoints) is 0 for them and 1 for the others. Mirror partners and halves of the body
    follow the mapping.

    Args:
        num_keypoints: of the model's skeleton.
        mapping: [source, target], or [[source, source], target] for the point between two; the
            last one counts where a target is there twice.

    Example:
        type: KeypointConverter
        num_keypoints: 3
        mapping:
          - [0, 0]
          - [[5, 6], 1]
    """

    def __init__(
        self, num_keypoints: int, mapping: Sequence[Sequence[int | Sequence[int]]]
    ) -> None:
        problems = []
        self.sources: dict[int, frozenset[int]] = {}
        for i, pair in enumerate(mapping):
            source, target = pair if len(pair) == 2 else (None, None)
            ends = [source] if isinstance(source, int) else source
            if not isinstance(target, int) or not ends or len(ends) > 2:
                problems.append(f"mapping.{i}: [source, target] expected, got {pair}")
            elif not 0 <= target < num_keypoints:
                problems.append(f"mapping.{i}: target {target} is not below {num_keypoints}")
            else:
                self.sources[target] = frozenset(ends)
        if problems:
            raise ConfigError(problems)
        self.num_keypoints = num_keypoints
        self.mapping = mapping

    def __call__(self, sample: PoseSample) -> PoseSample:
        """Rearrange keypoints, visibility and, for lifters, the target.

        Raises:
            DataError: if the sample has too few keypoints for the mapping.
        """
        keypoints, visible = sample.keypoints, sample.keypoints_visible
        if keypoints is None or visible is None:
            raise DataError(f"sample {sample.id}: KeypointConverter needs keypoints")
        last = max((max(ends) for ends in self.sources.values()), default=-1)
        if last >= keypoints.shape[1]:
            raise DataError(
                f"sample {sample.id}: mapping takes keypoint {last}, the sample has "
                f"{keypoints.shape[1]}"
            )
        sample.keypoints, sample.keypoints_visible, weights = convert_keypoints(
            keypoints, visible, self.num_keypoints, self.mapping
        )
        sample.meta["keypoints_visible_weights"] = weights
        if "lifting_target" in sample.meta:
            target = sample.meta["lifting_target"]
            shown = sample.meta.get("lifting_target_visible")
            shown = np.ones(target.shape[:-1], np.float32) if shown is None else shown
            target, shown, _ = convert_keypoints(target, shown, self.num_keypoints, self.mapping)
            sample.meta["lifting_target"], sample.meta["lifting_target_visible"] = target, shown
        if sample.flip_indices is not None:
            sample.flip_indices = self._partners(sample.flip_indices)
        if sample.upper_body_ids is not None:
            sample.upper_body_ids = self._targets_in(sample.upper_body_ids)
        if sample.lower_body_ids is not None:
            sample.lower_body_ids = self._targets_in(sample.lower_body_ids)
        return sample

    def _partners(self, flip_indices: Sequence[int]) -> tuple[int, ...]:
        """Mirror partner of each target: the one made of its sources' partners, or itself."""
        place = {ends: target for target, ends in self.sources.items()}
        partners = list(range(self.num_keypoints))
        for target, ends in self.sources.items():
            mirrored = frozenset(flip_indices[end] for end in ends)
            partners[target] = place.get(mirrored, target)
        return tuple(partners)

    def _targets_in(self, group: Sequence[int]) -> tuple[int, ...]:
        """Targets all of whose sources are in a group of keypoints."""
        return tuple(sorted(t for t, ends in self.sources.items() if ends <= set(group)))
