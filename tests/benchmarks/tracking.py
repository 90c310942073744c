"""Measure the tracker: identities kept in a real video, and the time of a frame.

    python tests/benchmarks/tracking.py --truth clip.json --predictions poses/
    python tests/benchmarks/tracking.py --predictions poses/ --clip street.mp4 --draw pictures/
    python tests/benchmarks/tracking.py --speed

`--truth` is a COCO json with `frame_id` for images and `track_id` for annotations; it is tracked
itself, exact and with noise and a fifth of the instances left out, each also at a lower frame rate.
`--predictions` is a folder that `raypose annotate` wrote for the video; with `--truth` they are
held against it, otherwise the tracks are counted. `--draw` writes every hundredth frame of `--clip`
with its boxes and identities. All of it for both ways of association.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[2]))

from raypose.evaluation.identity import IdentityMetrics
from raypose.inference.tracking import Tracker, boxes_of
from raypose.structures import Poses, Skeleton

Association = Literal["oks", "iou"]
ASSOCIATIONS: tuple[Association, ...] = ("oks", "iou")
STRIDES = (1, 3, 6, 12)
SEEDS = 5
# Of the body's size; the jitter that noise adds to keypoints and to corners of boxes.
JITTER = 0.03
DROPPED = 0.2


def read_truth(path: Path) -> tuple[dict[int, Poses], Skeleton]:
    """Return the annotated poses by frame, with their identities."""
    content = json.loads(path.read_text(encoding="utf-8"))
    frames: dict[int, list[Mapping[str, Any]]] = {
        image["frame_id"]: [] for image in content["images"]
    }
    frame_of = {image["id"]: image["frame_id"] for image in content["images"]}
    for entry in content["annotations"]:
        frames[frame_of[entry["image_id"]]].append(entry)
    skeleton = Skeleton.from_coco_category(content["categories"][0])
    poses = {}
    for frame, entries in sorted(frames.items()):
        points = np.array([e["keypoints"] for e in entries], np.float32)
        points = points.reshape(len(entries), skeleton.num_keypoints, 3)
        boxes = np.array([e["bbox"] for e in entries], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        poses[frame] = Poses(
            keypoints=points[..., :2],
            keypoint_scores=(points[..., 2] > 0).astype(np.float32),
            bboxes=boxes,
            bbox_scores=np.ones(len(entries), np.float32),
            track_ids=np.array([e["track_id"] for e in entries], np.int64),
        )
    return poses, skeleton


def read_predictions(folder: Path) -> dict[int, Poses]:
    """Return the poses by frame that `raypose annotate` wrote."""
    frames = {}
    for row in pq.read_table(folder).to_pylist():
        found = row["instances"]
        if not found:
            continue
        frames[row["frame"]] = Poses(
            keypoints=np.array([i["keypoints"] for i in found], np.float32),
            keypoint_scores=np.array([i["keypoint_scores"] for i in found], np.float32),
            bboxes=_array([i["bbox"] for i in found]),
            bbox_scores=_array([i["bbox_score"] for i in found]),
        )
    return dict(sorted(frames.items()))


def _array(values: Sequence[Any]) -> np.ndarray | None:
    return None if values[0] is None else np.array(values, np.float32)


def disturbed(poses: Poses, rng: np.random.Generator) -> Poses:
    """Jitter keypoints and boxes and leave some instances out."""
    assert poses.bboxes is not None
    sides = poses.bboxes[:, 2:] - poses.bboxes[:, :2]
    jitter = JITTER * np.sqrt(sides.prod(axis=1))
    keypoints = poses.keypoints + rng.normal(size=poses.keypoints.shape) * jitter[:, None, None]
    boxes = poses.bboxes + rng.normal(size=poses.bboxes.shape) * jitter[:, None]
    moved = poses.replace(keypoints=keypoints.astype(np.float32), bboxes=boxes.astype(np.float32))
    return moved.select(rng.random(len(poses)) >= DROPPED)


def track(
    frames: Sequence[Poses], association: Association, options: Mapping[str, Any]
) -> list[Poses]:
    """Return the frames with identities of a fresh tracker."""
    tracker = Tracker(association=association, **options)
    return [tracker.update(poses) for poses in frames]


def compare(
    truth: Sequence[Poses], tracked: Sequence[Poses], skeleton: Skeleton
) -> dict[str, float]:
    """Return the numbers of tracked against annotated identities, matched by keypoints."""
    metrics = IdentityMetrics("oks", 0.3, skeleton.sigmas)
    for true, found in zip(truth, tracked, strict=True):
        metrics.update(true, found)
    return metrics.compute()


def report(name: str, numbers: Sequence[Mapping[str, float]]) -> None:
    """Print the mean of some runs."""
    mean = {key: float(np.mean([run[key] for run in numbers])) for key in numbers[0]}
    print(
        f"{name:42s} IDF1 {mean['IDF1']:.3f}  MOTA {mean['MOTA']:.3f}  "
        f"switches {mean['ID switches']:5.1f}  fragmentations {mean['fragmentations']:5.1f}  "
        f"misses {mean['misses']:6.1f}  false {mean['false positives']:5.1f}",
        flush=True,
    )


def measure(
    truth: Mapping[int, Poses],
    skeleton: Skeleton,
    predictions: Mapping[int, Poses] | None,
    options: Mapping[str, Any],
) -> None:
    """Track the annotations, then the predictions of the same frames."""
    nobody = Poses.empty(skeleton.num_keypoints)
    for association in ASSOCIATIONS:
        for stride in STRIDES:
            frames = list(truth)[::stride]
            true = [truth[frame] for frame in frames]
            where = f"{association}, every {stride} frames" if stride > 1 else association
            exact = track(true, association, options)
            report(f"annotated, {where}", [compare(true, exact, skeleton)])
            runs = []
            for seed in range(SEEDS):
                rng = np.random.default_rng(seed)
                noisy = track([disturbed(poses, rng) for poses in true], association, options)
                runs.append(compare(true, noisy, skeleton))
            report(f"noise and dropout, {where}", runs)
            if predictions is not None:
                found = [predictions.get(frame, nobody) for frame in frames]
                tracked = track(found, association, options)
                report(f"predicted, {where}", [compare(true, tracked, skeleton)])


def count_tracks(frames: Sequence[Poses], association: Association) -> None:
    """Print how many identities there are and how long they live."""
    lengths: Counter[int] = Counter()
    unnamed = 0
    for poses in frames:
        assert poses.track_ids is not None
        unnamed += int((poses.track_ids < 0).sum())
        lengths.update(poses.track_ids[poses.track_ids >= 0].tolist())
    total = sum(lengths.values())
    print(
        f"{association}: {len(lengths)} tracks in {len(frames)} frames, mean length "
        f"{total / max(len(lengths), 1):.1f}, longest {max(lengths.values(), default=0)}; "
        f"of {total + unnamed} instances {unnamed} without identity"
    )


def draw(clip: Path, tracked: Mapping[int, Poses], folder: Path, thr: float) -> None:
    """Write every hundredth frame with the boxes and identities of its instances."""
    folder.mkdir(parents=True, exist_ok=True)
    video = cv2.VideoCapture(str(clip))
    index = 0
    while (read := video.read())[0]:
        if index % 100 == 0 and index in tracked:
            poses = tracked[index]
            assert poses.track_ids is not None
            for box, identity in zip(boxes_of(poses, thr), poses.track_ids, strict=True):
                color = [
                    int(value)
                    for value in np.random.default_rng(identity + 1).integers(255, size=3)
                ]
                left, top, right, bottom = (round(float(value)) for value in box)
                cv2.rectangle(read[1], (left, top), (right, bottom), color, 2)
                cv2.putText(
                    read[1], str(identity), (left, top - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.6, color, 2
                )
            cv2.imwrite(str(folder / f"{clip.stem}_{index:06d}.png"), read[1])
        index += 1


def crowd(people: int, frames: int) -> list[Poses]:
    """Return people with 17 keypoints who walk to and fro."""
    rng = np.random.default_rng(0)
    start = rng.uniform(0, 2000, (people, 1, 2))
    speed = rng.normal(0, 3, (people, 1, 2))
    shape = rng.uniform(0, 1, (people, 17, 2)) * (80, 200)
    crowd = []
    for i in range(frames):
        points = start + speed * i + shape + rng.normal(0, 2, shape.shape)
        crowd.append(
            Poses(
                keypoints=points.astype(np.float32),
                keypoint_scores=np.ones((people, 17), np.float32),
            )
        )
    return crowd


def measure_speed() -> None:
    """Print milliseconds of `update`, the least of some rounds over a hundred frames."""
    for association in ASSOCIATIONS:
        for people in (2, 10, 50):
            frames = crowd(people, 100)
            seconds = []
            for _ in range(5):
                start = time.perf_counter()
                track(frames, association, {})
                seconds.append(time.perf_counter() - start)
            print(f"{association}, {people} people: {min(seconds) / 100 * 1000:.2f} ms a frame")


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--predictions", type=Path)
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--draw", type=Path)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--options", type=json.loads, default={}, help="Tracker arguments, JSON")
    args = parser.parse_args()
    predictions = None if args.predictions is None else read_predictions(args.predictions)
    if args.truth is not None:
        truth, skeleton = read_truth(args.truth)
        measure(truth, skeleton, predictions, args.options)
    elif predictions is not None:
        for association in ASSOCIATIONS:
            tracked = track(list(predictions.values()), association, args.options)
            count_tracks(tracked, association)
            if args.clip is not None and args.draw is not None:
                by_frame = dict(zip(predictions, tracked, strict=True))
                draw(args.clip, by_frame, args.draw / association, 0.2)
    if args.speed:
        measure_speed()


if __name__ == "__main__":
    main()
