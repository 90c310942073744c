"""The JSON of the answers: what it holds, as the API documents it, and how it is made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from fastapi import Response
from pydantic import BaseModel, Field

from raypose.structures import Poses

# A hundredth of a pixel; ten micrometres where a lifter speaks in metres.
_PIXEL_DIGITS, _SCORE_DIGITS, _SPACE_DIGITS = 2, 4, 5
_VISIBLE_SCORE = 0.3


class ImageSize(BaseModel):
    """Size of an image, after it was turned upright as its file says."""

    width: int
    height: int


class Instance(BaseModel):
    """One person or animal. K keypoints of the model's skeleton, in its order."""

    bbox: list[float] | None = Field(description="[x0, y0, x1, y1] in pixels")
    bbox_score: float | None = Field(description="of the detector; 1 for a box that was given")
    score: float | None = Field(description="of the whole instance, where a model gives one")
    keypoints: list[list[float]] = Field(description="K x [x, y] in pixels of the image")
    keypoint_scores: list[float] = Field(description="K")
    keypoints_visible: list[float] | None = Field(
        description="K probabilities of being visible, where a model gives them"
    )
    keypoints_3d: list[list[float]] | None = Field(
        description="[x, y, z] of the lifter's skeleton, in its unit and frame"
    )
    track_id: int | None = Field(
        description="the same in all frames of a stream; null before an identity is certain"
    )


class PoseAnswer(BaseModel):
    """The poses in one image."""

    image: ImageSize
    model: str = Field(description="name of the pose model")
    instances: list[Instance]
    timings_ms: dict[str, float] = Field(
        description="milliseconds of detector, pose and lifter, waiting included, and in total"
    )


class ImageError(BaseModel):
    """Why one of several images has no answer."""

    error: str
    status: int


class PoseAnswers(BaseModel):
    """The answer to a request with several images, in their order."""

    images: list[PoseAnswer | ImageError]


class StreamAnswer(PoseAnswer):
    """The poses in one frame of a stream."""

    frame: int = Field(description="number of the frame, counted from 0 as they were sent")


class LiftedSequence(BaseModel):
    """3D poses of one person."""

    keypoints_3d: list[list[list[float]]] = Field(description="frames x K3 x [x, y, z]")


class LiftAnswer(BaseModel):
    """3D poses of sequences, in their order."""

    sequences: list[LiftedSequence]
    timings_ms: dict[str, float]


class ServedModel(BaseModel):
    """A pose model."""

    name: str
    skeleton: dict[str, Any] = Field(description="names, links, colours; empty if unknown")
    whole_image: bool = Field(description="whether it finds the people itself")


class ModelsAnswer(BaseModel):
    """What is served."""

    models: list[ServedModel]
    default: str
    detector: bool
    lifter: dict[str, Any] | None
    topology: str


class Mistake(BaseModel):
    """Why there is no answer."""

    detail: str


def pose_answer(
    poses: Poses, size: tuple[int, int], model: str, timings: Mapping[str, float]
) -> dict[str, Any]:
    """Return a `PoseAnswer` as a plain mapping."""
    return {
        "image": {"width": size[0], "height": size[1]},
        "model": model,
        "instances": [_instance(poses, i) for i in range(len(poses))],
        "timings_ms": dict(timings),
    }


def coco_answer(poses: Poses) -> list[dict[str, Any]]:
    """Return the instances as COCO results: boxes are xywh, keypoints x, y and visibility."""
    answers = []
    for i in range(len(poses)):
        instance = _instance(poses, i)
        scores = poses.keypoint_scores[i]
        flags = np.where(scores >= _VISIBLE_SCORE, 2, 0)
        keypoints = [
            value
            for (x, y), flag in zip(instance["keypoints"], flags.tolist(), strict=True)
            for value in (x, y, flag)
        ]
        answer = {
            "category_id": 1,
            "keypoints": keypoints,
            "num_keypoints": int(np.count_nonzero(flags)),
            "score": instance["score"]
            if instance["score"] is not None
            else round(float(scores.mean()) if len(scores) else 0.0, _SCORE_DIGITS),
        }
        if instance["bbox"] is not None:
            x0, y0, x1, y1 = instance["bbox"]
            width, height = round(x1 - x0, _PIXEL_DIGITS), round(y1 - y0, _PIXEL_DIGITS)
            answer["bbox"] = [x0, y0, width, height]
            answer["area"] = round(width * height, _PIXEL_DIGITS)
        answers.append(answer)
    return answers


def lifted_sequence(keypoints: npt.NDArray[np.float32]) -> dict[str, Any]:
    """Return a `LiftedSequence` of (T, K3, 3) as a plain mapping."""
    return {"keypoints_3d": _rounded(keypoints, _SPACE_DIGITS)}


class JSONAnswer(Response):
    """JSON without a space, and without the numbers that JSON does not know."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the bytes."""
        return to_json(content).encode()


def to_json(content: Any) -> str:
    """Return the text of an answer."""
    return json.dumps(content, allow_nan=False, separators=(",", ":"), ensure_ascii=False)


def _instance(poses: Poses, index: int) -> dict[str, Any]:
    def values(array: Any, digits: int) -> Any:
        return None if array is None else _rounded(array[index], digits)

    track = None if poses.track_ids is None else int(poses.track_ids[index])
    return {
        "bbox": values(poses.bboxes, _PIXEL_DIGITS),
        "bbox_score": values(poses.bbox_scores, _SCORE_DIGITS),
        "score": values(poses.scores, _SCORE_DIGITS),
        "keypoints": values(poses.keypoints[..., :2], _PIXEL_DIGITS),
        "keypoint_scores": values(poses.keypoint_scores, _SCORE_DIGITS),
        "keypoints_visible": values(poses.keypoints_visible, _SCORE_DIGITS),
        "keypoints_3d": values(poses.keypoints_3d, _SPACE_DIGITS),
        "track_id": None if track is None or track < 0 else track,
    }


def _rounded(values: Any, digits: int) -> Any:
    # In double precision: a rounded single shows the digits that it was rounded by.
    return np.asarray(values, np.float64).round(digits).tolist()
