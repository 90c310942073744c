"""`HandRandomFlip`: mirror an image of two hands, which then have changed sides."""

from __future__ import annotations

from typing import Any

import numpy as np

from raypose.errors import DataError
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample
from raypose.transforms.random_flip import RandomFlip


@TRANSFORMS.register_module()
class HandRandomFlip(RandomFlip):
    """`RandomFlip` for `InterHand3DDataset`.

    In the mirror the right hand is a left one: which hands there are and the depths of their
    wrists are exchanged.

    Args:
        prob: see `RandomFlip`.
        direction: see `RandomFlip`.

    Example:
        type: HandRandomFlip
        prob: 0.5
    """

    def flip(self, sample: PoseSample, direction: str) -> PoseSample:
        """Mirror the sample and exchange the hands.

        Raises:
            DataError: if it is not known which hands there are.
        """
        missing = [name for name in ("hand_type", "rel_root_depth") if name not in sample.meta]
        if missing:
            raise DataError(
                f"sample {sample.id}: HandRandomFlip needs {' and '.join(missing)}, which "
                "InterHand3DDataset has"
            )
        sample = super().flip(sample, direction)
        if direction != "diagonal":  # which turns the image, and turned hands keep their sides
            meta: dict[str, Any] = sample.meta
            meta["hand_type"] = np.asarray(meta["hand_type"])[..., ::-1].copy()
            meta["rel_root_depth"] = -meta["rel_root_depth"]
            if "abs_depth" in meta:
                meta["abs_depth"] = np.asarray(meta["abs_depth"])[::-1].copy()
        return sample
