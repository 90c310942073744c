"""Which frames of a video a model sees for one of them (NumPy)."""

from __future__ import annotations

import numpy as np


def frame_window(
    num_frames: int, frame: int, causal: bool, length: int, step: int = 1
) -> np.ndarray:
    """Return the frames that a video lifter sees for a target frame.

    Args:
        num_frames: frames of the video.
        frame: index of the target frame.
        causal: put the target last; otherwise in the middle.
        length: frames of the window.
        step: distance between them.

    Returns:
        (length,) indices. Before the start and after the end of the video its first and last
        frame are repeated.
    """
    before = length - 1 if causal else (length - 1) // 2
    frames = np.arange(frame - before * step, frame + (length - before) * step, step)
    # `np.clip` takes longer than all of this for the few frames of a window.
    return np.minimum(np.maximum(frames, 0), num_frames - 1)
