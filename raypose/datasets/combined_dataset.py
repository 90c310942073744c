"""Datasets made of others: `CombinedDataset` puts them one after the other, `RepeatDataset` again.

Their samples are those of the parts, with ids and positions of their own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, overload

import numpy as np

from raypose.errors import ConfigError, DataError
from raypose.registry import DATASETS, TRANSFORMS
from raypose.structures import PoseSample, Skeleton

# Transforms of annotations alone that draw no random numbers.
_OF_ANNOTATIONS = ("KeypointConverter",)


class _Made(Sequence[PoseSample]):
    """Samples by position; a subclass makes them in `_make`."""

    def _make(self, index: int) -> PoseSample:
        raise NotImplementedError

    @overload
    def __getitem__(self, index: int) -> PoseSample: ...

    @overload
    def __getitem__(self, index: slice) -> list[PoseSample]: ...

    def __getitem__(self, index: int | slice) -> PoseSample | list[PoseSample]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        sample = self._make(index)
        sample.index = index
        return sample


@DATASETS.register_module()
class CombinedDataset(_Made):
    """The samples of several datasets, keypoints rearranged to one skeleton.

    An epoch of training takes a part of some of them where `data.train.sample_ratio_factor` says
    so.

    `meta["dataset"]` is the position of a sample's dataset in the list; `ForDatasets` in
    the pipeline looks at it. The id of a sample starts with it.

    Args:
        datasets: datasets, or their configs with a `pipeline` of `KeypointConverter` beside the
            arguments where they have another skeleton; they do not take over that of the whole.
        skeleton: what the keypoints are in the end.

    Raises:
        ConfigError: if a `pipeline` has other transforms: those belong into that of the split.

    Example:
        type: CombinedDataset
        skeleton: coco
        datasets:
          - {type: CocoDataset, ann_file: coco/train.json, skeleton: coco}
          - type: AicDataset
            ann_file: aic/train.json
            pipeline:
              - type: KeypointConverter
                num_keypoints: 17
                mapping: [[0, 6], [1, 8], [2, 10], [3, 5], [4, 7], [5, 9]]
    """

    def __init__(
        self,
        datasets: Sequence[Mapping[str, Any] | Sequence[PoseSample]],
        skeleton: str | Mapping[str, Any] | Skeleton,
    ) -> None:
        self.skeleton = Skeleton.load(skeleton)
        problems = [
            f"datasets.{i}.pipeline.{j}: '{name}' belongs into the pipeline of the split, below "
            f"ForDatasets; here is room for {', '.join(_OF_ANNOTATIONS)}"
            for i, part in enumerate(datasets)
            for j, name in enumerate(_transforms_of(part))
            if name not in _OF_ANNOTATIONS
        ]
        if problems:
            raise ConfigError(problems)
        self.parts = [_Part(part) for part in datasets]
        self.sizes = tuple(len(part.dataset) for part in self.parts)
        self._ends = np.cumsum(self.sizes)
        self._weighed = any(part.transforms for part in self.parts)

    def image_numbers(self) -> np.ndarray | None:
        """Return for each sample the number of its image, other ones for each part."""
        return _one_after_the_other([part.dataset for part in self.parts])

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def _make(self, index: int) -> PoseSample:
        number = int(np.searchsorted(self._ends, index, side="right"))
        part = self.parts[number]
        sample = part[index - int(self._ends[number]) + len(part.dataset)]
        sample.id = f"{number}/{sample.id}"
        sample.meta["dataset"] = number
        sample.flip_indices = self.skeleton.flip_indices
        sample.upper_body_ids = self.skeleton.upper_body_ids
        sample.lower_body_ids = self.skeleton.lower_body_ids
        keypoints = sample.keypoints
        if keypoints is not None:
            if keypoints.shape[1] != self.skeleton.num_keypoints:
                raise DataError(
                    f"datasets.{number}: its samples have {keypoints.shape[1]} keypoints, "
                    f"{self.skeleton.name} has {self.skeleton.num_keypoints}; give it a "
                    "'pipeline' with a KeypointConverter"
                )
            if self._weighed:
                # A batch keeps only what all of its samples have.
                weights = np.ones(keypoints.shape[:2], np.float32)
                sample.meta.setdefault("keypoints_visible_weights", weights)
        return sample


@DATASETS.register_module()
class RepeatDataset(_Made):
    """The samples of a dataset several times over: one epoch is as many of it.

    Args:
        dataset: the dataset, or its config.
        times: how often.
        skeleton: handed to a dataset that does not set its own.

    Raises:
        ConfigError: if `times` is below 1.

    Example:
        type: RepeatDataset
        times: 3
        dataset: {type: CocoDataset, ann_file: train.json, skeleton: coco}
    """

    def __init__(
        self,
        dataset: Mapping[str, Any] | Sequence[PoseSample],
        times: int,
        skeleton: str | Mapping[str, Any] | Skeleton | None = None,
    ) -> None:
        if times < 1:
            raise ConfigError(f"times is at least 1, got {times}")
        self.dataset = _build(dataset, skeleton)
        self.times = times
        own = getattr(self.dataset, "skeleton", skeleton)
        self.skeleton = None if own is None else Skeleton.load(own)

    def image_numbers(self) -> np.ndarray | None:
        """Return for each sample the number of its image, other ones for each time."""
        return _one_after_the_other([self.dataset] * self.times)

    def __len__(self) -> int:
        return self.times * len(self.dataset)

    def _make(self, index: int) -> PoseSample:
        round_, position = divmod(index, len(self.dataset))
        sample = self.dataset[position]
        # Another id draws other random numbers.
        sample.id = f"{sample.id}#{round_}"
        return sample


class _Part:
    """A dataset of several and how its annotations are rearranged."""

    def __init__(self, part: Mapping[str, Any] | Sequence[PoseSample]) -> None:
        steps: Sequence[Mapping[str, Any]] = ()
        if isinstance(part, Mapping):
            steps = part.get("pipeline") or ()
            part = {key: value for key, value in part.items() if key != "pipeline"}
        self.dataset = _build(part, None)
        self.transforms: list[Callable[[PoseSample], PoseSample]] = [
            TRANSFORMS.build(step) for step in steps
        ]

    def __getitem__(self, index: int) -> PoseSample:
        sample = self.dataset[index]
        if sample.keypoints is not None:
            for transform in self.transforms:
                sample = transform(sample)
        return sample


def _one_after_the_other(datasets: Sequence[Sequence[PoseSample]]) -> np.ndarray | None:
    """Numbers of the images of datasets, none of them twice."""
    numbers, first = [], 0
    for dataset in datasets:
        own = getattr(dataset, "image_numbers", lambda: None)()
        own = np.arange(len(dataset)) if own is None else own
        numbers.append(own + first)
        first += int(own.max(initial=-1)) + 1
    return np.concatenate(numbers) if numbers else None


def _build(
    dataset: Mapping[str, Any] | Sequence[PoseSample],
    skeleton: str | Mapping[str, Any] | Skeleton | None,
) -> Sequence[PoseSample]:
    if not isinstance(dataset, Mapping):
        return dataset
    entry = DATASETS.get(dataset["type"]) if isinstance(dataset.get("type"), str) else None
    takes = entry is not None and "skeleton" in inspect.signature(entry).parameters
    return DATASETS.build(dataset, **({"skeleton": skeleton} if takes and skeleton else {}))


def _transforms_of(part: Mapping[str, Any] | Sequence[PoseSample]) -> list[str]:
    steps = part.get("pipeline") or () if isinstance(part, Mapping) else ()
    return [str(step.get("type")).rsplit(".", 1)[-1] for step in steps]
