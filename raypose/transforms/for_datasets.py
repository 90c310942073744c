"""`ForDatasets`: transforms for some parts of a combined dataset."""

from __future__ import annotations

from collections.abc import Sequence

from raypose.errors import ConfigError, DataError
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample
from raypose.transforms.compose import Transforms, build_transforms, call_in_turn


@TRANSFORMS.register_module()
class ForDatasets:
    """Call transforms on the samples of some datasets of a `CombinedDataset` only.

    Args:
        positions: which ones, their positions in `CombinedDataset.datasets`.
        transforms: mappings with `type`, or callables.

    Raises:
        ConfigError: if there are no transforms.

    Example:
        type: ForDatasets
        positions: [1, 2]
        transforms:
          - {type: LoadImage}
          - {type: GetBBoxCenterScale}
          - {type: RandomBBoxTransform, scale_factor: [1.5, 2.0], rotate_factor: 0}
    """

    def __init__(self, positions: Sequence[int], transforms: Transforms) -> None:
        if not transforms:
            raise ConfigError("ForDatasets needs transforms")
        self.positions = frozenset(positions)
        self.transforms = build_transforms(transforms)

    def __call__(self, sample: PoseSample) -> PoseSample | None:
        """Return the sample after the transforms, or as it is if it is from another dataset.

        Raises:
            DataError: if the sample is not from a `CombinedDataset`.
        """
        if "dataset" not in sample.meta:
            raise DataError(f"sample {sample.id}: ForDatasets needs samples of a CombinedDataset")
        if sample.meta["dataset"] not in self.positions:
            return sample
        return call_in_turn(self.transforms, sample)
