"""`annotate:`: how a job over many images or a video is cut and what its actors own."""

from __future__ import annotations

from typing import Literal

from raypose.config.sections.base import Amount, Count, Fraction, PositiveInt, Section

Backend = Literal["auto", "torch", "onnxruntime"]


class AnnotateSection(Section):
    """How a batch annotation runs.

    Attributes:
        batch_size: crops of one call of the pose model.
        shard_size: images or frames of one shard, the unit of work and of resuming.
        num_actors: processes that hold models; null for one on each GPU, else one on each CPU.
        num_cpus: CPUs of one actor.
        num_gpus: GPUs of one actor; null for one if the cluster has any.
        decode_threads: threads of one actor that read and decode images.
        split_decode: decode in CPU tasks that may run on other nodes.
        bbox_thr: detections with a lower score are dropped.
        max_errors: unreadable images that stop the job; null for any number.
        backend: what runs the pose model; `auto` is onnxruntime on a CPU where it is installed.
    """

    batch_size: PositiveInt = 32
    shard_size: PositiveInt = 256
    num_actors: PositiveInt | None = None
    num_cpus: Amount = 1.0
    num_gpus: Amount | None = None
    decode_threads: PositiveInt = 4
    split_decode: bool = False
    bbox_thr: Fraction = 0.3
    max_errors: Count | None = None
    backend: Backend = "auto"
