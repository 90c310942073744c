"""`annotate:`: how a job over many images or a video is cut and what its actors own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from raypose.config.sections.base import (
    Amount,
    Backend,
    Count,
    Fraction,
    PositiveInt,
    Section,
)
from raypose.config.sections.tracking import TrackingSection

_Bounds = Annotated[list[PositiveInt], Field(min_length=2, max_length=2)]
Sink = Literal["coco", "coco-results", "json", "cvat", "label-studio", "overlay"]


class AnnotateSection(Section):
    """How a batch annotation runs.

    Attributes:
        batch_size: crops of one call of the pose model.
        backend: what runs the network of the pose model: `torch`, `onnxruntime`, `openvino`, or
            `auto` for ONNX Runtime on a CPU where it is installed and torch otherwise. Answers
            differ by rounding only, so a job may go on with another one.
        bbox_thr: least score of a detected box; the detector's own if null.
        nms_thr: of two detected boxes whose IoU is larger, the better remains; the detector's own
            if null.
        classes: what the detector looks for, by name or index; its first class if null.
        shard_size: images or frames of one shard, the unit of work and of resuming.
        num_actors: processes that hold models; null for one on each GPU, else one on each CPU;
            `[2, 16]` starts with what there is and grows with a cluster that scales; 0 does it in
            this process, without Ray.
        num_cpus: CPUs of one actor; null for a fair share that leaves one to Ray Data.
        num_gpus: GPUs of one actor; null for a fair share of what the cluster has.
        decode_threads: threads of one actor that read and decode images.
        split_decode: read and decode images in tasks on CPUs of any node, in place of the
            threads of an actor: for actors with a GPU whose own node has too few CPUs. Videos are
            read by the actors all the same.
        max_errors: unreadable images that stop the job; null for any number.
        rows: `image` writes one row an image or frame, `instance` one row an instance.
        sinks: what the answers are also written as, beside Parquet: `coco` (a dataset),
            `coco-results`, `json` (a file for each image or video), `cvat`, `label-studio`,
            `overlay` (drawn on the pictures).
        tracking: how instances are followed through videos; null leaves every frame to itself.
    """

    batch_size: PositiveInt = 8
    backend: Backend = "auto"
    bbox_thr: Fraction | None = None
    nms_thr: Fraction | None = None
    classes: list[str | int] | None = None
    shard_size: PositiveInt = 256
    num_actors: Count | _Bounds | None = None
    num_cpus: Amount | None = None
    num_gpus: Amount | None = None
    decode_threads: PositiveInt = 2
    split_decode: bool = False
    max_errors: Count | None = None
    rows: Literal["image", "instance"] = "image"
    sinks: list[Sink] = Field(default_factory=list)
    tracking: TrackingSection | None = TrackingSection()

    @model_validator(mode="after")
    def _check_actors(self) -> AnnotateSection:
        actors = self.num_actors
        if isinstance(actors, list) and actors[0] > actors[1]:
            raise ValueError(f"num_actors: [least, most] is expected, got {actors}")
        if self.split_decode and actors == 0:
            raise ValueError("split_decode: without actors (num_actors: 0) there are no tasks")
        return self
