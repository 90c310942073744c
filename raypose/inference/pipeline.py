"""`PosePipeline`: the stages one after the other, for pictures and for videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from raypose.errors import DataError
from raypose.inference.box_stage import Boxes, BoxStage
from raypose.inference.frame import Frame
from raypose.inference.pose_branch import PoseBranch
from raypose.inference.stage_clock import StageClock
from raypose.inference.video_stream import Found, VideoStream
from raypose.structures import Poses


class PosePipeline:
    """Find poses in frames, then finish them: each frame by itself, or a video in time.

    Args:
        boxes: where to look.
        branches: by category, how its poses come about.

    Attributes:
        clock: what finding boxes (`detect`) and poses (`pose`) has taken.
    """

    def __init__(self, boxes: BoxStage, branches: Mapping[str, PoseBranch]) -> None:
        self.boxes = boxes
        self.branches = dict(branches)
        self.clock = StageClock()

    def find(self, frames: Sequence[Frame], boxes: Sequence[Boxes] | None = None) -> list[Found]:
        """Return the 2D poses of each frame; nobody where a frame could not be read.

        Args:
            frames: B frames; detector and pose models see them together.
            boxes: for each frame its boxes, instead of the detector's.

        Raises:
            DataError: if there are fewer lists of boxes than frames.
        """
        if boxes is not None and len(boxes) < len(frames):
            raise DataError("there are more pictures than lists of boxes")
        readable = [i for i, frame in enumerate(frames) if frame.image is not None]
        images = [image for frame in frames if (image := frame.image) is not None]
        with self.clock("detect"):
            looked_at = self.boxes(images, None if boxes is None else [boxes[i] for i in readable])
        found: list[Found] = [{} for _ in frames]
        for name, branch in self.branches.items():
            nobody = Poses.empty(branch.pose.num_keypoints)
            with self.clock("pose"):
                poses = iter(branch.pose(images, looked_at.get(name)))
            for each, frame in zip(found, frames, strict=True):
                each[name] = nobody if frame.image is None else next(poses)
        return found

    def finish(self, frames: Sequence[Frame], found: Sequence[Found]) -> list[tuple[Frame, Found]]:
        """Finish frames that stand for themselves.

        Args:
            frames: as for `find`.
            found: what that has returned.
        """
        sizes = [(1, 1) if (im := f.image) is None else (im.shape[1], im.shape[0]) for f in frames]
        finished = {
            name: branch.finish([each[name] for each in found], sizes)
            for name, branch in self.branches.items()
        }
        return [
            (frame, {name: poses[i] for name, poses in finished.items()})
            for i, frame in enumerate(frames)
        ]

    def start_video(self, live: bool = False) -> VideoStream:
        """Return the memory of a new video, which finishes what `find` returns.

        Args:
            live: its frames are waited for, so that only what the caller asked for may delay them.
        """
        return VideoStream(
            {name: branch.start_video(live) for name, branch in self.branches.items()}
        )
