"""The folder that an annotation writes to: parts, and a manifest that says what they are of.

Parts have names that follow from the input, so a job that is started again does what is missing.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from raypose.errors import RayposeError
from raypose.inference.annotation import storage
from raypose.inference.annotation.annotator import merge_seconds
from raypose.inference.annotation.job import AnnotationJob
from raypose.inference.annotation.overlays import draw_annotations
from raypose.inference.annotation.parts import PartInfo, list_parts, read_info
from raypose.inference.annotation.progress import Progress, limiting_stage
from raypose.inference.annotation.selection import SELECTED
from raypose.inference.annotation.sinks import OVERLAY, Answers, write_sinks
from raypose.inference.annotation.tasks import Plan, Task
from raypose.inference.annotation.video_pass import FRAMES

MANIFEST = "_manifest.json"
FORMATS = "_formats"
"""Folder of what else is written, below the output: readers of Parquet folders pass by names
with an underscore."""
_OVERLAYS = "overlays"
_VERSIONED = ("raypose", "torch", "opencv-python", "pyarrow", "ray", "onnxruntime", "openvino")
_READERS = 8


def prepare_output(job: AnnotationJob, plan: Plan, overwrite: bool) -> list[Task]:
    """Make the output folder ready and return what is still to be done.

    Args:
        job: what is asked.
        plan: all of its pieces.
        overwrite: replace what the folder holds.

    Raises:
        RayposeError: if the folder holds the answers of another job.
        DataError: if it cannot be read or written.
    """
    files = set(storage.list_files(job.out)) if storage.exists(job.out) else set()
    parts = {name for name in files if _is_part(name)}
    if overwrite:
        # First, so that parts that are left by a kill here are of unknown origin.
        storage.delete(storage.join(job.out, MANIFEST))
    else:
        _check_same_job(job, parts)
    wanted = plan.parts() | {task.part_name for task in plan.tasks(())}
    stale = parts if overwrite else parts - wanted
    for name in sorted(stale | {name for name in files if name.endswith(".partial")}):
        storage.delete(storage.join(job.out, name))
    if overwrite:
        for name in sorted(files):
            if name.startswith((f"{FORMATS}/", f"{SELECTED}/")):
                storage.delete(storage.join(job.out, name))
    tasks = list(plan.tasks(parts - stale))
    if tasks or stale or not _read_manifest(job).get("complete"):
        write_manifest(job, {"complete": False})
    return tasks


def finish_output(job: AnnotationJob, plan: Plan, progress: Progress) -> None:
    """Write the sinks and the manifest with its numbers; remove what only the second pass needed.

    A job that was complete before, with the same sinks, is left as it is.

    Raises:
        RayposeError: if a part is missing, or a file cannot be written.
    """
    before, sinks = _read_manifest(job), list(job.sinks)
    if before.get("complete") and set(sinks) <= set(before.get("sinks", ())):
        return
    missing = plan.parts() - set(list_parts(job.out))
    if missing:
        raise RayposeError(
            f"{storage.shown(job.out)}: {len(missing)} parts are missing, such as "
            f"{min(missing)}; start again to make them"
        )
    if sinks:
        folder = storage.join(job.out, FORMATS)
        write_sinks(sinks, Answers.of(job.out, job.skeleton), folder)
        if OVERLAY in sinks:
            draw_annotations(job, plan, storage.join(folder, _OVERLAYS))
    folder = storage.join(job.out, FRAMES)
    if storage.exists(folder):
        # Before the manifest, or they would stay after a kill here.
        for name in storage.list_files(folder):
            storage.delete(storage.join(folder, name))
    counts = _counts(job, plan)
    counts["sinks"] = sinks
    counts["seconds"] = round(progress.seconds, 3)
    counts["images/s"] = round(progress.rate, 3)
    write_manifest(job, {"complete": True, **counts})


def write_manifest(job: AnnotationJob, numbers: dict[str, Any]) -> None:
    """Write what a folder is of: at the start without numbers, at the end with them."""
    content: dict[str, Any] = {
        **numbers,
        "source": [storage.shown(source) for source in job.sources],
        "weights": str(job.weights),
        "detector": job.detector,
        "boxes": None if job.boxes is None else storage.shown(job.boxes),
        "lifter": job.lifter,
        "fingerprint": job.fingerprint,
        "versions": {name: _version(name) for name in _VERSIONED},
        "config": job.config,
    }
    text = json.dumps(content, indent=2)
    storage.write_whole(storage.join(job.out, MANIFEST), text.encode())


def _read_manifest(job: AnnotationJob) -> dict[str, Any]:
    """Return what the manifest says, nothing if there is none."""
    manifest = storage.join(job.out, MANIFEST)
    return json.loads(storage.read_bytes(manifest)) if storage.exists(manifest) else {}


def _is_part(name: str) -> bool:
    last = name.rsplit("/", 1)[-1]
    ours = "/" not in name or name.startswith(f"{FRAMES}/")
    return ours and last.startswith("part-") and last.endswith(".parquet")


def _check_same_job(job: AnnotationJob, parts: Iterable[str]) -> None:
    manifest = storage.join(job.out, MANIFEST)
    if not storage.exists(manifest):
        if any(parts):
            raise RayposeError(
                f"{storage.shown(job.out)} holds Parquet parts of unknown origin; give another "
                "--out, or --overwrite to replace them"
            )
        return
    try:
        before = json.loads(storage.read_bytes(manifest))["fingerprint"]
        different = [k for k, value in job.fingerprint.items() if before[k] != value]
    except (KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        name = storage.shown(manifest)
        raise RayposeError(f"{name} was not written by this version of raypose") from error
    if different:
        raise RayposeError(
            f"{storage.shown(job.out)} holds annotations of another job (not the same: "
            f"{', '.join(different)}); give another --out, or --overwrite to replace them"
        )


def _counts(job: AnnotationJob, plan: Plan) -> dict[str, Any]:
    """Return the numbers of all parts, whichever run wrote them."""
    with ThreadPoolExecutor(_READERS) as pool:
        infos: list[PartInfo] = list(
            pool.map(lambda name: read_info(storage.join(job.out, name)), sorted(plan.parts()))
        )
    reasons: Counter[str] = Counter()
    for info in infos:
        reasons.update(info.errors)
    stages = merge_seconds(*(info.seconds for info in infos))
    return {
        "rows": sum(info.rows for info in infos),
        "instances": sum(info.instances for info in infos),
        "errors": reasons.total(),
        "errors_by_reason": dict(reasons.most_common()),
        "parts": len(infos),
        "stage_seconds": stages,
        "limited_by": limiting_stage(stages),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
