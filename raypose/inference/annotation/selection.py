"""The data engine: the pictures a model is least sure of, written for a person to label.

See `raypose.inference.annotation.uncertainty` for what "sure" is.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from raypose.errors import ConfigError, DataError
from raypose.inference.annotation import storage
from raypose.inference.annotation.job import AnnotationJob
from raypose.inference.annotation.overlays import encode_jpeg
from raypose.inference.annotation.parts import read_part
from raypose.inference.annotation.pictures import annotated_pictures
from raypose.inference.annotation.sinks.answers import Answers, frame_name, is_frame
from raypose.inference.annotation.sinks.coco import write_dataset, write_list
from raypose.inference.annotation.table import Row, poses_of
from raypose.inference.annotation.tasks import Plan
from raypose.inference.annotation.uncertainty import (
    Doubt,
    doubts_of,
    flip_disagreement,
    total_of,
)
from raypose.inference.frame import Frame, Image
from raypose.inference.predictor import Predictor

SELECTED = "_selected"
"""Folder of the selection below the output."""
IMAGES = "images"
DATASET = "annotations.json"
REASONS = "selection.json"

_LEAST_GAP = 1.0  # seconds between two frames of a video: those between look the same
_LOOKS_AGAIN = 3  # times as many pictures as are wanted are looked at in a mirror


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A picture that may be selected.

    Attributes:
        part: the part that its row is in.
        source: image or video.
        frame: number of the frame, 0 for an image.
        time: seconds since the start of the video, None for an image.
        doubts: of its instances.
    """

    part: str
    source: str
    frame: int
    time: float | None
    doubts: Sequence[Doubt]

    @property
    def uncertainty(self) -> float:
        """Return how unsure the model is of the picture."""
        return total_of(self.doubts)

    @property
    def rank(self) -> tuple[float, str, int]:
        """Return what candidates are sorted by, the most doubtful first."""
        return (-self.uncertainty, self.source, self.frame)


def select_uncertain(job: AnnotationJob, plan: Plan, count: int, out: storage.Location) -> int:
    """Write the pictures of a complete job that its model is least sure of, for labelling.

    `out` gets `images/`, the COCO json `annotations.json` with what the model found, to be
    corrected, and `selection.json`, which says why each was selected. What was there is replaced.

    Three times as many pictures as are wanted are looked at once more, in a mirror. Of a video no
    two frames within a second of each other are taken, so that there may be fewer than wanted.

    Args:
        job: which is complete.
        plan: all of its pieces.
        count: how many pictures.
        out: folder.

    Returns:
        How many were selected.

    Raises:
        DataError: if nothing was found in any picture, or the input has changed since.
        ConfigError: if the model keeps but a part of its skeleton.
    """
    candidates = find_candidates(job, plan, _LOOKS_AGAIN * count)
    if not candidates:
        raise DataError("nobody was found anywhere, so there is nothing to be unsure of")
    looked_at = list(_look_again(job, plan, candidates))
    chosen = choose_apart(looked_at, count)
    _write(job, plan, chosen, out)
    return len(chosen)


def find_candidates(job: AnnotationJob, plan: Plan, count: int) -> list[Candidate]:
    """Return the most doubtful pictures by their rows alone, one of each second of a video."""
    return heapq.nsmallest(count, _best_of_each_second(job, plan), key=lambda each: each.rank)


def choose_apart(candidates: Iterable[Candidate], count: int) -> list[Candidate]:
    """Return the most doubtful candidates of which no two are frames of the same moment."""
    chosen: list[Candidate] = []
    times: defaultdict[str, list[float]] = defaultdict(list)
    for candidate in sorted(candidates, key=lambda each: each.rank):
        if len(chosen) == count:
            break
        if candidate.time is not None:
            taken = times[candidate.source]
            if any(abs(candidate.time - time) < _LEAST_GAP for time in taken):
                continue
            taken.append(candidate.time)
        chosen.append(candidate)
    return chosen


def _best_of_each_second(job: AnnotationJob, plan: Plan) -> Iterator[Candidate]:
    best: Candidate | None = None
    for part in sorted(plan.parts()):
        for row, doubts in doubts_of(read_part(storage.join(job.out, part))):
            if not doubts:
                continue
            candidate = Candidate(
                part=part,
                source=row["source"],
                frame=row["frame"],
                time=row["time"],
                doubts=doubts,
            )
            if best is not None and _second(best) == _second(candidate):
                best = min(best, candidate, key=lambda each: each.rank)
                continue
            if best is not None:
                yield best
            best = candidate
    if best is not None:
        yield best


def _second(candidate: Candidate) -> tuple[str, int, int]:
    """Return what candidates have in common of which only the best counts."""
    if candidate.time is None:
        return (candidate.source, candidate.frame, -1)
    return (candidate.source, 0, int(candidate.time // _LEAST_GAP))


def _look_again(
    job: AnnotationJob, plan: Plan, candidates: Sequence[Candidate]
) -> Iterator[Candidate]:
    """Yield the candidates with what a mirror says of them."""
    predictor = job.build().predictor
    (branch,) = predictor.pipeline.branches.values()
    if branch.pose.num_keypoints != job.skeleton.num_keypoints:
        raise ConfigError(
            f"the model keeps {branch.pose.num_keypoints} keypoints of the skeleton's "
            f"{job.skeleton.num_keypoints}; which of them are mirrored is not known"
        )
    for candidate, frame, row in _pictures(job, plan, candidates):
        if frame.image is None:
            continue
        mirrored = _poses_in_mirror(predictor, job, frame.image, row)
        pairs = zip(candidate.doubts, row["instances"], strict=True)
        doubts = [
            replace(doubt, flip=flip_disagreement(instance, mirrored)) for doubt, instance in pairs
        ]
        yield replace(candidate, doubts=doubts)


def _poses_in_mirror(
    predictor: Predictor[Any], job: AnnotationJob, image: Image, row: Row
) -> np.ndarray[Any, Any]:
    """Return the poses (M, K, 2) that are found in the mirror image, mirrored back."""
    width = image.shape[1]
    boxes = None
    if predictor.pipeline.boxes.categories:
        own = poses_of(row, job.skeleton.num_keypoints).bboxes
        assert own is not None, "a top-down model's instances have boxes"
        boxes = [np.stack([width - own[:, 2], own[:, 1], width - own[:, 0], own[:, 3]], axis=1)]
    mirror = Frame(source=row["source"], image=np.ascontiguousarray(image[:, ::-1]))
    (poses,) = predictor.predict_frames([mirror], boxes)
    points = poses.keypoints[:, list(job.skeleton.flip_indices), :2].astype(np.float64)
    points[..., 0] = width - 1 - points[..., 0]
    return points


def _pictures(
    job: AnnotationJob, plan: Plan, candidates: Sequence[Candidate]
) -> Iterator[tuple[Candidate, Frame, Row]]:
    """Yield candidates with their pictures and rows, in the order of the input."""
    wanted = {(each.source, each.frame): each for each in candidates}
    parts = {each.part for each in candidates}
    for frame, row in annotated_pictures(job, plan, parts):
        candidate = wanted.get((row["source"], row["frame"]))
        if candidate is not None:
            yield candidate, frame, row


def _write(
    job: AnnotationJob, plan: Plan, chosen: Sequence[Candidate], out: storage.Location
) -> None:
    if storage.exists(out):
        for name in storage.list_files(out):
            if name in (DATASET, REASONS) or name.startswith(f"{IMAGES}/"):
                storage.delete(storage.join(out, name))
    rows, reasons = [], []
    for candidate, frame, row in _pictures(job, plan, chosen):
        name = frame_name(row)
        if not name.lower().endswith((".jpg", ".jpeg")):
            name += ".jpg"
        images = storage.join(out, IMAGES)
        target = storage.inside(images, name)
        name = storage.relative(target, images) or name
        storage.write_whole(target, encode_jpeg(frame.image))
        rows.append({**row, "source": name, "time": None})
        reasons.append(
            {
                "file_name": name,
                "source": row["source"],
                "frame": row["frame"] if is_frame(row) else None,
                "uncertainty": round(candidate.uncertainty, 4),
                "instances": [_rounded(doubt) for doubt in candidate.doubts],
            }
        )
    answers = Answers(read=lambda: rows, skeleton=job.skeleton)
    storage.write_whole(storage.join(out, REASONS), lambda file: write_list(file, reasons))
    storage.write_whole(storage.join(out, DATASET), partial(write_dataset, answers))


def _rounded(doubt: Doubt) -> dict[str, float]:
    return {name: round(value, 4) for name, value in asdict(doubt).items()}
