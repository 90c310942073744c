"""`data:`: what is read and what happens to it on the way."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from raypose.config.sections.base import (
    Count,
    Fraction,
    PositiveInt,
    Section,
    TypedMapping,
)


class PipelineSwitchSection(Section):
    """Other data for the last epochs, such as weaker augmentation.

    Attributes:
        epoch: the first epoch (from 0) that uses it.
        pipeline: transforms, in order.
        sample_ratio_factor: as in `TrainSplitSection`; the same as before by default.
    """

    epoch: PositiveInt
    pipeline: list[TypedMapping]
    sample_ratio_factor: list[Fraction] | None = None


class SplitSection(Section):
    """One split.

    Attributes:
        dataset: annotations, a mapping with `type`.
        pipeline: transforms, in order.
    """

    dataset: TypedMapping
    pipeline: list[TypedMapping] = Field(default_factory=list)


class TrainSplitSection(SplitSection):
    """The split that is trained on.

    Attributes:
        sample_ratio_factor: what an epoch takes of each part of a `CombinedDataset`, from 0 to 1;
            every epoch chooses other samples. Null takes all of them.
        switch: other data for the last epochs.
    """

    sample_ratio_factor: list[Fraction] | None = None
    switch: PipelineSwitchSection | None = None


class DataSection(Section):
    """What a model is trained and evaluated on.

    Attributes:
        loader: `local` decodes and augments beside each training process, `ray` on the CPUs of
            any node.
        num_workers: processes of the local loader for each training process; 0 does it in the
            training process.
        train: the training split.
        val: the validation split.
    """

    loader: Literal["local", "ray"] = "local"
    num_workers: Count = 2
    train: TrainSplitSection | None = None
    val: SplitSection | None = None
