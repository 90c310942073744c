"""Which keypoints are hidden: datasets of COCO's form keep only whether they are labelled."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import numpy as np

from raypose.inspection.labels import Labels
from raypose.structures import PoseSample

HIDDEN = 0.75
"""Visibility of a keypoint that is labelled and hidden, here; transforms carry it along."""


class MarkedDataset(Sequence[PoseSample]):
    """The samples of a dataset, hidden keypoints of which have a visibility of `HIDDEN`.

    Args:
        dataset: what they are from.
        all_labels: its annotation files; those that tell no hidden keypoints change nothing.
    """

    def __init__(self, dataset: Sequence[PoseSample], all_labels: Iterable[Labels]) -> None:
        self._dataset = dataset
        self._rows: dict[tuple[str, str], tuple[Labels, int]] = {}
        for labels in all_labels:
            if (labels.visibility == 1).any() and (labels.visibility > 1).any():
                for row in np.flatnonzero((labels.visibility == 1).any(axis=1)).tolist():
                    path = labels.images[labels.image_index[row]].path
                    self._rows[os.path.normpath(path), labels.ids[row]] = labels, row

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> PoseSample:  # type: ignore[override]
        sample = self._dataset[index]
        keypoints, visible = sample.keypoints, sample.keypoints_visible
        if keypoints is None or visible is None or sample.img_path is None:
            return sample
        path = os.path.normpath(sample.img_path)
        ids = np.ravel(sample.meta.get("id", sample.id)).tolist()
        for instance, name in enumerate(ids if len(ids) == len(keypoints) else []):
            labels, row = self._rows.get((path, str(name)), (None, 0))
            if labels is not None and labels.keypoints.shape[1] == keypoints.shape[1]:
                # A part's own pipeline may have put its keypoints elsewhere.
                same = np.isclose(labels.keypoints[row], keypoints[instance, :, :2]).all(axis=1)
                visible[instance, same & (labels.visibility[row] == 1)] = HIDDEN
        return sample
