"""`annotate:`: how a job over many images or a video is cut and what its actors own."""

from __future__ import annotations

from raypose.config.sections.base import Amount, Count, PositiveInt, Section


class AnnotateSection(Section):
    """How a batch annotation runs.

    Attributes:
        batch_size: crops of one call of the pose model.
        shard_size: images or frames of one shard, the unit of work and of resuming.
        num_actors: processes that hold models; null for one on each GPU, else one on each CPU;
            0 does it in this process, without Ray.
        num_cpus: CPUs of one actor; null for a fair share that leaves one to Ray Data.
        num_gpus: GPUs of one actor; null for a fair share of what the cluster has.
        decode_threads: threads of one actor that read and decode images.
        max_errors: unreadable images that stop the job; null for any number.
    """

    batch_size: PositiveInt = 8
    shard_size: PositiveInt = 256
    num_actors: Count | None = None
    num_cpus: Amount | None = None
    num_gpus: Amount | None = None
    decode_threads: PositiveInt = 2
    max_errors: Count | None = None
