"""`PoseBranch`: the models of one category, and what is remembered of it in a video."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from raypose.config.sections import TrackingSection
from raypose.inference.lift_stage import LiftStage
from raypose.inference.lift_windows import LiftInput, single_frame
from raypose.inference.pose_stage import PoseStage
from raypose.inference.stream import PoseStream, build_pose_stream
from raypose.structures import Poses, Skeleton

Size = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class PoseBranch:
    """How the poses of one category come about.

    Attributes:
        pose: the pose model.
        lift: lifts them to 3D, if they are.
        tracking: how they are followed in videos; None where each frame stands for itself.
        live_tracking: how they are followed in front of a camera.
    """

    pose: PoseStage
    lift: LiftStage | None = None
    tracking: TrackingSection | None = None
    live_tracking: TrackingSection | None = None

    def finish(self, poses: Sequence[Poses], sizes: Sequence[Size]) -> list[Poses]:
        """Return the poses of images that stand for themselves, lifted where they are.

        Args:
            poses: 2D, of each image.
            sizes: (w, h) of each image.
        """
        if self.lift is None:
            return list(poses)
        T = self.lift.num_frames
        return self.lift([single_frame(p, s, T) for p, s in zip(poses, sizes, strict=True)])

    def start_video(self, live: bool) -> BranchStream:
        """Return the memory of a new video, or of a camera."""
        return BranchStream(self, self.live_tracking if live else self.tracking)


class BranchStream:
    """The poses of one category in one video: tracked, smoothed, lifted, in order.

    Args:
        branch: the models.
        tracking: how they are used in time.
    """

    def __init__(self, branch: PoseBranch, tracking: TrackingSection | None) -> None:
        self._branch = branch
        self._poses = (
            PoseStream() if tracking is None else build_pose_stream(tracking, _skeleton(branch))
        )
        self._windows = (
            None
            if tracking is None or branch.lift is None
            else branch.lift.windows(tracking.causal)
        )
        # Of the frames that are still being tracked and smoothed.
        self._sizes: deque[Size] = deque()

    def push(
        self, poses: Sequence[Poses], times: Sequence[float], sizes: Sequence[Size]
    ) -> list[Poses]:
        """Take the next frames of the video.

        Args:
            poses: 2D, of each frame.
            times: of each frame, seconds.
            sizes: (w, h) of each frame.

        Returns:
            The frames that are finished, the oldest first.
        """
        finished: list[Poses] = []
        for found, time, size in zip(poses, times, sizes, strict=True):
            self._sizes.append(size)
            finished += self._poses.push(found, time)
        return self._lifted(finished)

    def flush(self) -> list[Poses]:
        """Return the frames that are left at the end of the video."""
        finished = self._lifted(self._poses.flush())
        if self._windows is not None and self._branch.lift is not None:
            finished += self._branch.lift(self._windows.flush())
        return finished

    def _lifted(self, poses: Sequence[Poses]) -> list[Poses]:
        sizes = [self._sizes.popleft() for _ in poses]
        if self._windows is None or self._branch.lift is None:
            return self._branch.finish(poses, sizes)
        ready: list[LiftInput] = []
        for found, size in zip(poses, sizes, strict=True):
            ready += self._windows.push(found, size)
        return self._branch.lift(ready)


def _skeleton(branch: PoseBranch) -> Skeleton | None:
    """Return the skeleton of the poses, None where the model keeps but a part of it."""
    skeleton = branch.pose.estimator.skeleton
    fits = skeleton is not None and skeleton.num_keypoints == branch.pose.num_keypoints
    return skeleton if fits else None
