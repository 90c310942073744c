"""`data:`: what is read and what happens to it on the way."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from raypose.config.sections.base import Count, PositiveInt, Section, TypedMapping


class PipelineSwitchSection(Section):
    """Another pipeline for the last epochs, such as weaker augmentation.

    Attributes:
        epoch: the first epoch (from 0) that uses it.
        pipeline: transforms, in order.
    """

    epoch: PositiveInt
    pipeline: list[TypedMapping]


class SplitSection(Section):
    """One split.

    Attributes:
        dataset: annotations, a mapping with `type`.
        pipeline: transforms, in order.
        switch: another pipeline for the last epochs.
    """

    dataset: TypedMapping
    pipeline: list[TypedMapping] = Field(default_factory=list)
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
    train: SplitSection | None = None
    val: SplitSection | None = None
