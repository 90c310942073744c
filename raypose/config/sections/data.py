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
        add: further data sets, in one line each: their samples come after those of `dataset`, as
            further parts of a `CombinedDataset`.
        sample_ratio_factor: what an epoch takes of each part of a `CombinedDataset`, from 0 to 1;
            every epoch chooses other samples. Null takes all of them. Of what is added an epoch
            takes everything, unless the list has a number for each of it too.
        switch: other data for the last epochs.
    """

    add: list[TypedMapping] = Field(default_factory=list)
    sample_ratio_factor: list[Fraction] | None = None
    switch: PipelineSwitchSection | None = None


class DataSection(Section):
    """What a model is trained and evaluated on.

    Attributes:
        loader: `local` decodes and augments beside each training process, `ray` on the CPUs of
            any node.
        num_workers: processes of the local loader for each training process; 0 does it in the
            training process.
        on_error: what a training sample that cannot be read does: `stop` ends the run with its
            file and id, `skip` replaces it by another one, always the same, and counts it. One of
            the validation set always ends the run.
        reduced_decode: decode the JPEGs of training no larger than their crops need them, at a
            half, a quarter or an eighth: a crop of a large picture takes a fraction of the time
            and is a little smoother. Validation sees every pixel.
        train: the training split.
        val: the validation split.
    """

    loader: Literal["local", "ray"] = "local"
    num_workers: Count = 2
    on_error: Literal["stop", "skip"] = "stop"
    reduced_decode: bool = False
    train: TrainSplitSection | None = None
    val: SplitSection | None = None
