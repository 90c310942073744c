"""`PackedDataset`: the training samples that `raypose pack` has written."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from raypose.errors import DataError
from raypose.registry import DATASETS
from raypose.structures import PoseSample, Skeleton

SAMPLES = "samples.parquet"
"""The annotations, a row each."""
METADATA = b"raypose"
"""Key of what the file of annotations says about all of them, as JSON."""
FORMAT = 1
IMAGE_NUMBER = "image_number"
"""Column that is the same number for samples of the same image."""


@DATASETS.register_module()
class PackedDataset(Sequence[PoseSample]):
    """Samples whose images lie in a few large files, cut to what augmentation may show of them.

    Their ids, order and annotations are those of the dataset that was packed, so a training is the
    same but for the loss of a JPEG. A crop that would show more of an image than was packed is an
    error: pack again after making augmentation stronger.

    Args:
        data_root: folder that `raypose pack` has written.
        skeleton: what the keypoints are; that of the dataset that was packed by default.

    Raises:
        DataError: if the folder holds no packed samples, or those of another version.

    Example:
        type: PackedDataset
        data_root: data/coco_packed
    """

    def __init__(
        self, data_root: str, skeleton: str | Mapping[str, Any] | Skeleton | None = None
    ) -> None:
        self.data_root = data_root
        self.ann_file = os.path.join(data_root, SAMPLES)
        try:
            self._table: pa.Table = pq.read_table(self.ann_file)
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(
                f"{self.ann_file}: no packed samples ({error}); `raypose pack CONFIG -o DIR` "
                "writes them"
            ) from error
        facts = json.loads((self._table.schema.metadata or {}).get(METADATA, b"{}"))
        if facts.get("format") != FORMAT:
            raise DataError(
                f"{self.ann_file}: packed as format {facts.get('format')}, this version reads "
                f"{FORMAT}; pack again"
            )
        self.skeleton = Skeleton.load(facts["skeleton"] if skeleton is None else skeleton)
        self.sizes = tuple(int(size) for size in facts["sizes"])

    def image_numbers(self) -> np.ndarray:
        """Return for each sample the number of its image."""
        return self._table.column(IMAGE_NUMBER).to_numpy()

    def __len__(self) -> int:
        return self._table.num_rows

    @overload
    def __getitem__(self, index: int) -> PoseSample: ...

    @overload
    def __getitem__(self, index: slice) -> list[PoseSample]: ...

    def __getitem__(self, index: int | slice) -> PoseSample | list[PoseSample]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        sample = PoseSample.from_row(self._table.slice(index, 1).to_pylist()[0])
        assert sample.img_path is not None, "only samples of images are packed"
        # Where an image was not packed its path is absolute already.
        sample.img_path = os.path.join(self.data_root, sample.img_path)
        return sample

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.data_root!r}, {len(self)} samples)"
