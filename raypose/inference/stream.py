"""`PoseStream`: what is remembered of one video, to track and smooth its poses. NumPy only."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from raypose.config.sections import OneEuroSection, TrackingSection
from raypose.inference.smoothing import GapFiller, OneEuroFilter, PoseFilter, SavitzkyGolayFilter
from raypose.inference.tracking import Tracker
from raypose.structures import Poses, Skeleton


class PoseStream:
    """Track and filter the poses of one video: frames go in one by one and come out in order.

    Every frame that goes in comes out once, with filters that look ahead some frames later. What
    is held does not grow with the length of the video.

    Args:
        tracker: gives instances their identities; without one they keep those they have.
        filters: what poses go through after that, in this order.
    """

    def __init__(self, tracker: Tracker | None = None, filters: Sequence[PoseFilter] = ()) -> None:
        self._tracker = tracker
        self._filters = tuple(filters)
        # For each filter the times of the frames that it holds.
        self._times: tuple[deque[float], ...] = tuple(deque() for _ in filters)

    def push(self, poses: Poses, time: float) -> list[Poses]:
        """Take the next frame, also one with nobody in it.

        Args:
            poses: of the frame, image space.
            time: of the frame, seconds; it grows from frame to frame.

        Returns:
            The frames that are finished, in order: as a rule one, fewer at the start of a video
            where a filter looks ahead.
        """
        tracked = poses if self._tracker is None else self._tracker.update(poses)
        return self._through(0, [(tracked, time)])

    def flush(self) -> list[Poses]:
        """Return the frames that are left, in order, and forget the video."""
        finished: list[Poses] = []
        for index, item in enumerate(self._filters):
            rest = self._timed(index, item.flush())
            finished += self._through(index + 1, rest)
        if self._tracker is not None:
            self._tracker.reset()
        return finished

    def _through(self, first: int, frames: list[tuple[Poses, float]]) -> list[Poses]:
        """Send frames through the filters from a given one on."""
        for index in range(first, len(self._filters)):
            done: list[tuple[Poses, float]] = []
            for poses, time in frames:
                self._times[index].append(time)
                done += self._timed(index, self._filters[index].push(poses, time))
            frames = done
        return [poses for poses, _ in frames]

    def _timed(self, index: int, finished: Sequence[Poses]) -> list[tuple[Poses, float]]:
        """Give frames that leave a filter the times they came with."""
        return [(poses, self._times[index].popleft()) for poses in finished]


def build_pose_stream(section: TrackingSection, skeleton: Skeleton | None) -> PoseStream:
    """Return the memory of a new video.

    Args:
        section: how it is tracked and smoothed.
        skeleton: of its poses; its sigmas make the similarity of keypoints that of the metric.
    """
    sigmas = None if skeleton is None or section.association == "iou" else skeleton.sigmas
    tracker = Tracker(
        association=section.association,
        sigmas=sigmas,
        match_thr=section.match_thr,
        max_lost=section.max_lost,
        min_hits=section.min_hits,
        new_track_thr=section.new_track_thr,
        low_thr=section.low_thr,
        duplicate_thr=section.duplicate_thr,
        keypoint_thr=section.keypoint_thr,
    )
    filters: list[PoseFilter] = []
    if section.max_gap:
        filters.append(GapFiller(section.max_gap))
    smoothing = section.smoothing
    if isinstance(smoothing, OneEuroSection):
        filters.append(
            OneEuroFilter(
                smoothing.min_cutoff, smoothing.beta, smoothing.d_cutoff, section.keypoint_thr
            )
        )
    elif smoothing is not None:
        filters.append(
            SavitzkyGolayFilter(smoothing.window_length, smoothing.polyorder, section.keypoint_thr)
        )
    return PoseStream(tracker, filters)
