"""The folder that an annotation writes to: parts, and a manifest that says what they are of.

Parts have names that follow from the input, so a job that is started again does what is missing.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from raypose.errors import RayposeError
from raypose.inference.annotation.job import AnnotationJob
from raypose.inference.annotation.progress import Progress
from raypose.inference.annotation.shards import Shard

MANIFEST = "_manifest.json"
_VERSIONED = ("raypose", "torch", "opencv-python", "pyarrow", "ray")


def prepare_output(job: AnnotationJob, shards: Iterable[Shard], overwrite: bool) -> list[Shard]:
    """Make the output folder ready and return the shards that are still to be done.

    Args:
        job: what is asked.
        shards: all of its pieces.
        overwrite: replace what the folder holds.

    Raises:
        RayposeError: if the folder holds the answers of another job.
    """
    shards = list(shards)
    job.out.mkdir(parents=True, exist_ok=True)
    present = {path.name for path in job.out.glob("part-*.parquet")}
    if not overwrite:
        _check_same_job(job, present)
    stale = present if overwrite else present - {shard.part_name for shard in shards}
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
        "complete": progress is not None,
        "source": str(job.source),
        "weights": str(job.weights),
        "detector": job.detector,
        "boxes": None if job.boxes is None else str(job.boxes),
        "lifter": job.lifter,
        "fingerprint": job.fingerprint,
        "versions": {name: _version(name) for name in _VERSIONED},
        "config": job.config,
    }
    if progress is not None:
        content.update(_counts(job.out))
        content["seconds"] = round(progress.seconds, 3)
        content["images/s"] = round(progress.rate, 3)
    target = job.out / MANIFEST
    partial = target.with_name(f".{MANIFEST}.partial")
    partial.write_text(json.dumps(content, indent=2), encoding="utf-8")
    partial.replace(target)


def _check_same_job(job: AnnotationJob, present: set[str]) -> None:
    manifest = job.out / MANIFEST
    if not manifest.is_file():
        if present:
            raise RayposeError(
                f"{job.out} holds Parquet parts of unknown origin; give another --out, or "
                "--overwrite to replace them"
            )
        return
    try:
        before = json.loads(manifest.read_text(encoding="utf-8"))["fingerprint"]
        different = [k for k, value in job.fingerprint.items() if before[k] != value]
    except (ValueError, KeyError, TypeError) as error:
        raise RayposeError(f"{manifest} was not written by this version of raypose") from error
    if different:
        raise RayposeError(
            f"{job.out} holds annotations of another job (not the same: {', '.join(different)}); "
            "give another --out, or --overwrite to replace them"
        )


def _counts(folder: Path) -> dict[str, int]:
    counts = {"rows": 0, "instances": 0, "errors": 0}
    for part in sorted(folder.glob("part-*.parquet")):
        table = pq.read_table(part, columns=["instances", "error"])
        counts["rows"] += table.num_rows
        counts["instances"] += sum(len(value) for value in table["instances"])
        counts["errors"] += table.num_rows - table["error"].null_count
    return counts


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
