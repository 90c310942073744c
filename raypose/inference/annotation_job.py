"""A job over many images: what is asked, what is done already, what comes out.

A job's answer is a folder of Parquet parts and a `_manifest.json`. Parts have names that follow
from the input, so a job that is started again does only what is missing.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from raypose.config import Config
from raypose.errors import DataError, RayposeError
from raypose.inference.annotator import Annotator, ShardReport
from raypose.inference.predictor import Predictor
from raypose.inference.shards import Shard, plan_shards, read_boxes

MANIFEST = "_manifest.json"
_VERSIONED = ("raypose", "torch", "opencv-python", "pyarrow", "ray")


@dataclass(frozen=True, kw_only=True)
class AnnotationJob:
    """What is asked: plain data that travels to every actor.

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

    def shards(self) -> list[Shard]:
        """Return the pieces of the job."""
        boxes = None if self.boxes is None else read_boxes(self.boxes)
        return plan_shards(self.source, self.options.shard_size, boxes)

    @property
    def options(self) -> Any:
        """Return the `annotate` section of the config."""
        return Config.from_resolved(self.config).annotate

    def build(self) -> Annotator:
        """Load the models."""
        options = self.options
        predictor = Predictor(
            Config.from_resolved(self.config),
            weights=self.weights,
            detector=self.detector,
            lifter=self.lifter,
            device=self.device,
            batch_size=options.batch_size,
        )
        return Annotator(predictor, options.decode_threads)

    def fingerprint(self) -> str:
        """Return what the answers depend on, as one hash: models, weights, boxes and input."""
        digest = hashlib.sha256()
        model = {key: self.config.get(key) for key in ("model", "codec", "skeleton", "data")}
        model["shard_size"] = self.options.shard_size
        text = json.dumps([model, str(self.source.resolve()), self.lifter], sort_keys=True)
        digest.update(text.encode())
        for file in (self.weights, self.boxes, self.detector, self.lifter):
            if file is not None and Path(file).is_file():
                digest.update(Path(file).read_bytes())
            digest.update(b"|")
        return digest.hexdigest()[:16]


@dataclass
class Progress:
    """How far a job is; drawn as one line.

    Attributes:
        total: images or frames of the job.
        done: those with an answer, from earlier runs too.
        instances: found so far, in this run.
        errors: images that could not be read, in this run.
        first_error: why the first of them could not.
    """

    total: int
    done: int = 0
    instances: int = 0
    errors: int = 0
    first_error: str | None = None
    _resumed: int = 0
    _started: float = field(default_factory=time.monotonic)

    def skip(self, shard: Shard) -> None:
        """Count a shard that an earlier run has done."""
        self.done += len(shard)
        self._resumed += len(shard)

    def add(self, report: ShardReport) -> None:
        """Count a shard."""
        self.done += report.rows
        self.instances += report.instances
        self.errors += report.errors
        self.first_error = self.first_error or report.first_error

    @property
    def seconds(self) -> float:
        """Return the time since the start."""
        return time.monotonic() - self._started

    @property
    def rate(self) -> float:
        """Return images a second of this run."""
        return (self.done - self._resumed) / max(self.seconds, 1e-9)

    def __str__(self) -> str:
        left = (self.total - self.done) / self.rate if self.rate > 0 else float("inf")
        wait = f"{left:.0f} s left" if left < 1e6 else "starting"
        return (
            f"{self.done}/{self.total} images  {self.instances} instances  "
            f"{self.rate:.1f} images/s  {self.errors} errors  {wait}"
        )


def prepare_output(job: AnnotationJob, shards: Iterable[Shard], overwrite: bool) -> list[Shard]:
    """Make the output folder ready and return the shards that are still to be done.

    Raises:
        RayposeError: if the folder holds the answers of another job, or other files.
    """
    job.out.mkdir(parents=True, exist_ok=True)
    manifest = job.out / MANIFEST
    expected = {shard.part_name for shard in shards}
    present = {path.name for path in job.out.glob("part-*.parquet")}
    if manifest.is_file() and not overwrite:
        before = json.loads(manifest.read_text(encoding="utf-8"))
        if before["fingerprint"] != job.fingerprint():
            raise RayposeError(
                f"{job.out} holds annotations of another job (other models, weights, boxes or "
                "input); give another --out, or --overwrite to replace them"
            )
    elif present and not overwrite:
        raise RayposeError(f"{job.out} holds Parquet parts of unknown origin; give another --out")
    stale = present if overwrite else present - expected
    for name in stale:
        (job.out / name).unlink()
    for partial in job.out.glob(".part-*.partial"):
        partial.unlink()
    write_manifest(job, None)
    done = present - stale
    return [shard for shard in shards if shard.part_name not in done]


def write_manifest(job: AnnotationJob, progress: Progress | None) -> None:
    """Write the manifest: at the start without numbers, at the end with them."""
    content: dict[str, Any] = {
        "fingerprint": job.fingerprint(),
        "complete": progress is not None,
        "source": str(job.source),
        "weights": str(job.weights),
        "detector": job.detector,
        "boxes": None if job.boxes is None else str(job.boxes),
        "lifter": job.lifter,
        "versions": {name: _version(name) for name in _VERSIONED},
        "config": job.config,
    }
    if progress is not None:
        counts = [_count(path) for path in sorted(job.out.glob("part-*.parquet"))]
        content["rows"] = sum(count[0] for count in counts)
        content["instances"] = sum(count[1] for count in counts)
        content["errors"] = sum(count[2] for count in counts)
        content["seconds"] = round(progress.seconds, 3)
        content["images/s"] = round(progress.rate, 3)
    target = job.out / MANIFEST
    partial = target.with_name(f".{MANIFEST}.partial")
    partial.write_text(json.dumps(content, indent=2), encoding="utf-8")
    partial.replace(target)


def run_in_process(
    job: AnnotationJob, shards: Iterable[Shard]
) -> Generator[ShardReport, None, None]:
    """Do shards one after the other in this process."""
    annotator = job.build()
    for shard in shards:
        yield annotator(shard, job.out)


def check_errors(job: AnnotationJob, progress: Progress) -> None:
    """Stop a job in which too many images cannot be read.

    Raises:
        DataError: if there are more errors than `annotate.max_errors` allows.
    """
    limit = job.options.max_errors
    if limit is not None and progress.errors > limit:
        raise DataError(
            f"{progress.errors} of {progress.done} images could not be read, more than "
            f"annotate.max_errors ({limit}); the first: {progress.first_error}"
        )


def _count(part: Path) -> tuple[int, int, int]:
    table = pq.read_table(part, columns=["instances", "error"])
    instances = sum(len(value) for value in table["instances"] if value.is_valid)
    errors = table.num_rows - table["error"].null_count
    return table.num_rows, instances, errors


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
