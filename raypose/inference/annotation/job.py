"""`AnnotationJob`: what is asked of an annotation, as plain data that travels to every actor."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from raypose.config import Config
from raypose.config.sections import AnnotateSection
from raypose.inference.annotation.annotator import Annotator, ShardReport
from raypose.inference.annotation.shards import Shard, plan_shards, read_boxes
from raypose.inference.predictor import Predictor


@dataclass(frozen=True, kw_only=True)
class AnnotationJob:
    """A job over many images or a video.

    Attributes:
        source: image folder, image or video.
        out: folder of the answers.
        config: of the pose model, resolved.
        weights: checkpoint of the pose model.
        detector: ONNX file or config of the detector, None for none.
        boxes: COCO json with the boxes of the images, instead of a detector.
        lifter: config or checkpoint of a 2D-to-3D model.
        device: where models run, `auto` for a GPU if there is one.
    """

    source: Path
    out: Path
    config: dict[str, Any]
    weights: Path
    detector: str | None = None
    boxes: Path | None = None
    lifter: str | None = None
    device: str = "auto"

    @cached_property
    def options(self) -> AnnotateSection:
        """Return the `annotate` section of the config."""
        return AnnotateSection.model_validate(self.config.get("annotate", {}))

    def shards(self) -> list[Shard]:
        """Return the pieces of the job.

        Raises:
            DataError: if the input or the boxes cannot be used.
        """
        boxes = None if self.boxes is None else read_boxes(self.boxes)
        return plan_shards(self.source, self.options.shard_size, boxes)

    def build(self) -> Annotator:
        """Load the models."""
        predictor = Predictor(
            Config.from_resolved(self.config),
            weights=self.weights,
            detector=self.detector,
            lifter=self.lifter,
            device=self.device,
            batch_size=self.options.batch_size,
        )
        return Annotator(predictor, self.options.decode_threads)

    @cached_property
    def fingerprint(self) -> dict[str, str]:
        """Return what the answers depend on, each as a short hash."""
        val = (self.config.get("data") or {}).get("val") or {}
        mode = (val.get("dataset") or {}).get("data_mode")
        model = [self.config.get(key) for key in ("model", "codec", "skeleton")]
        return {
            "input": _hash(str(self.source.resolve())),
            "shard_size": str(self.options.shard_size),
            "model": _hash(json.dumps([model, val.get("pipeline"), mode], sort_keys=True)),
            "weights": _hash_file(self.weights),
            "detector": _hash_file(self.detector),
            "boxes": _hash_file(self.boxes),
            "lifter": _hash_file(self.lifter),
        }


def run_in_process(
    job: AnnotationJob, shards: Iterable[Shard]
) -> Generator[ShardReport, None, None]:
    """Do shards one after the other in this process."""
    annotator = job.build()
    for shard in shards:
        yield annotator(shard, job.out)


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
