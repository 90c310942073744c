"""`AnnotationJob`: what is asked of an annotation, as plain data that travels to every actor."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from raypose.config import Config, build_model
from raypose.config.sections import AnnotateSection
from raypose.errors import ConfigError
from raypose.inference.annotation import storage
from raypose.inference.annotation.annotator import Annotator, Report
from raypose.inference.annotation.inputs import InputOptions, plan_shards, read_boxes
from raypose.inference.annotation.shards import Shard
from raypose.inference.annotation.tasks import Plan, Task
from raypose.inference.predictor import Predictor
from raypose.structures import Skeleton


@dataclass(frozen=True, kw_only=True)
class AnnotationJob:
    """A job over many images or a video.

    Attributes:
        source: image folder, image, video, list, ... or several of them; see `plan_shards`.
        reading: how they are read.
        out: folder of the answers, a path or an address such as `s3://bucket/poses`.
        config: of the pose model, resolved.
        weights: checkpoint of the pose model.
        detector: ONNX file or config of the detector, None for none.
        boxes: COCO json with the boxes of the images, instead of those of a detector or of the
            input; a detector goes before the boxes of the input.
        lifter: config or checkpoint of a 2D-to-3D model.
        device: where models run, `auto` for a GPU if there is one.
        formats: what the answers are also written as, beside `annotate.sinks`.
    """

    source: storage.Location | Sequence[storage.Location]
    reading: InputOptions = field(default_factory=InputOptions)
    out: str | Path
    config: dict[str, Any]
    weights: Path
    detector: str | None = None
    boxes: storage.Location | None = None
    lifter: str | None = None
    device: str = "auto"
    formats: tuple[str, ...] = ()

    @cached_property
    def options(self) -> AnnotateSection:
        """Return the `annotate` section of the config."""
        return AnnotateSection.model_validate(self.config.get("annotate", {}))

    @property
    def sources(self) -> list[str]:
        """Return what is annotated, as locations that mean the same everywhere."""
        given = [self.source] if isinstance(self.source, (str, Path)) else self.source
        return [storage.absolute(each) for each in given]

    def shards(self) -> list[Shard]:
        """Return the pieces of the job.

        Raises:
            DataError: if the input or the boxes cannot be used.
        """
        boxes = None if self.boxes is None else read_boxes(self.boxes)
        use_boxes = self.detector is None and boxes is None
        return plan_shards(
            self.sources,
            self.options.shard_size,
            boxes,
            options=replace(self.reading, use_boxes=use_boxes),
            skip=self.out,
        )

    @property
    def sinks(self) -> list[str]:
        """Return what the answers are also written as, each once."""
        return list(dict.fromkeys((*self.options.sinks, *self.formats)))

    @cached_property
    def skeleton(self) -> Skeleton:
        """Return the skeleton of the poses.

        Raises:
            ConfigError: if the config of the pose model does not name it.
        """
        config = Config.from_resolved(self.config)
        skeleton = config.skeleton or build_model(config).skeleton
        if skeleton is None:
            raise ConfigError("the config of the pose model does not name its skeleton")
        return skeleton

    def plan(self) -> Plan:
        """Return all that there is to do.

        Raises:
            DataError: if the input or the boxes cannot be used.
        """
        return Plan.of(self.shards(), follow=self.options.tracking is not None)

    def build(self, decoding: Executor | None = None) -> Annotator:
        """Load the models.

        Args:
            decoding: reads and decodes images; threads of this process by default.

        Raises:
            ConfigError: if they cannot be built, do not fit together or take no boxes.
            CheckpointError: if weights cannot be had.
        """
        predictor = Predictor(
            Config.from_resolved(self.config),
            weights=self.weights,
            detector=self.detector,
            classes=self.options.classes,
            bbox_thr=self.options.bbox_thr,
            nms_thr=self.options.nms_thr,
            lifter=self.lifter,
            tracker=self.options.tracking or False,
            device=self.device,
            batch_size=self.options.batch_size,
            backend=self.options.backend,
        )
        if self.boxes is not None and not predictor.pipeline.boxes.categories:
            raise ConfigError("a bottom-up model takes no boxes: it finds the people itself")
        return Annotator(
            predictor,
            self.out,
            layout=self.options.rows,
            fingerprint=self.fingerprint,
            decoding=decoding
            or ThreadPoolExecutor(self.options.decode_threads, thread_name_prefix="decode"),
        )

    @cached_property
    def fingerprint(self) -> dict[str, str]:
        """Return what the answers depend on, each as a short hash."""
        val = (self.config.get("data") or {}).get("val") or {}
        mode = (val.get("dataset") or {}).get("data_mode")
        tracking = self.options.tracking
        model = [self.config.get(key) for key in ("model", "codec", "skeleton")]
        return {
            "input": _hash(json.dumps([self.sources, asdict(self.reading)])),
            "shard_size": str(self.options.shard_size),
            "model": _hash(json.dumps([model, val.get("pipeline"), mode], sort_keys=True)),
            "weights": _hash_file(self.weights),
            "detector": self._detector_fingerprint(),
            "boxes": _hash_file(self.boxes),
            "lifter": _hash_file(self.lifter),
            "rows": self.options.rows,
            "tracking": "none" if tracking is None else _hash(tracking.model_dump_json()),
        }

    def _detector_fingerprint(self) -> str:
        options = self.options
        asked = [options.classes, options.bbox_thr, options.nms_thr]
        file = _hash_file(self.detector)
        return file if asked == [None] * 3 else _hash(json.dumps([file, *asked]))


def run_in_process(job: AnnotationJob, tasks: Iterable[Task]) -> Generator[Report, None, None]:
    """Do tasks one after the other in this process."""
    annotator = job.build()
    for task in tasks:
        yield annotator(task)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _hash_file(name: str | Path | None) -> str:
    """Return the hash of a file's content; of the name, if it is that of a config of raypose."""
    if name is None:
        return "none"
    if not Path(name).is_file():
        return _hash(str(name))
    digest = hashlib.sha256()
    with Path(name).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]
