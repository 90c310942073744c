"""`SingleHandConverter`: a picture of one hand for a model of two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raypose.errors import ConfigError, DataError
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample
from raypose.transforms.keypoint_converter import KeypointConverter


@TRANSFORMS.register_module()
class SingleHandConverter:
    """Put the keypoints of one hand where a skeleton of two hands has that hand.

    The keypoints of the other hand are invisible and weigh nothing, as `KeypointConverter` does
    it. In the mirror the hand is the other one. `meta["hand_type"]` (1, 2) says which it is: 1 for
    a right one, 1 for a left one.

    Args:
        num_keypoints: of both hands.
        left_hand_mapping: [source, target] of a left hand, see `KeypointConverter`.
        right_hand_mapping: the same of a right hand.

    Example:
        type: SingleHandConverter
        num_keypoints: 4
        left_hand_mapping: [[0, 2], [1, 3]]
        right_hand_mapping: [[0, 0], [1, 1]]
    """

    def __init__(
        self,
        num_keypoints: int,
        left_hand_mapping: Sequence[Sequence[int | Sequence[int]]],
        right_hand_mapping: Sequence[Sequence[int | Sequence[int]]],
    ) -> None:
        mappings = {"left": left_hand_mapping, "right": right_hand_mapping}
        self._hands: dict[str, KeypointConverter] = {}
        problems = []
        for hand, mapping in mappings.items():
            try:
                self._hands[hand] = KeypointConverter(num_keypoints, mapping)
            except ConfigError as error:
                problems += [f"{hand}_hand_{problem}" for problem in error.problems]
        if problems:
            raise ConfigError(problems)
        left, right = (self._hands[hand].sources for hand in mappings)
        self._partners = _partners(left, right) | _partners(right, left)

    def __call__(self, sample: PoseSample) -> PoseSample:
        """Rearrange the keypoints by the hand that is seen.

        Raises:
            DataError: if it is not known which hand it is, or both are seen.
        """
        given = sample.meta.get("hand_type")
        if given is None:
            raise DataError(
                f"sample {sample.id}: SingleHandConverter needs hand_type, which the datasets of "
                "InterHand2.6M have"
            )
        right, left = (bool(np.any(seen)) for seen in np.reshape(given, (-1, 2)).T)
        if right == left:
            seen = "both hands are" if right else "no hand is"
            raise DataError(f"sample {sample.id}: SingleHandConverter needs one hand, {seen} seen")
        sample = self._hands["left" if left else "right"](sample)
        count = self._hands["left"].num_keypoints
        sample.flip_indices = tuple(self._partners.get(i, i) for i in range(count))
        return sample


def _partners(hand: dict[int, frozenset[int]], other: dict[int, frozenset[int]]) -> dict[int, int]:
    """Return for each target of a hand the target of the same keypoint on the other one."""
    place = {ends: target for target, ends in other.items()}
    return {target: place[ends] for target, ends in hand.items() if ends in place}
