"""`tracking:`: who is who in a video, and how poses are smoothed over time."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from raypose.config.sections.base import (
    Amount,
    Count,
    Fraction,
    PositiveFloat,
    PositiveInt,
    Section,
)

Share = Annotated[float, Field(gt=0, le=1)]


class OneEuroSection(Section):
    """Smooth at once: strongly what is slow, lightly what is fast; see `OneEuroFilter`.

    Attributes:
        type: `one_euro`.
        min_cutoff: Hz below which someone at rest is smoothed.
        beta: Hz by which a speed of a body size a second raises that.
        d_cutoff: Hz below which the speed itself is smoothed.
    """

    type: Literal["one_euro"] = "one_euro"
    min_cutoff: PositiveFloat = 1.0
    beta: Amount = 10.0
    d_cutoff: PositiveFloat = 1.0


class SavitzkyGolaySection(Section):
    """Smooth by polynomials over frames before and after; see `SavitzkyGolayFilter`.

    Attributes:
        type: `savitzky_golay`.
        window_length: frames of a window, odd.
        polyorder: degree of the polynomial.
    """

    type: Literal["savitzky_golay"] = "savitzky_golay"
    window_length: PositiveInt = 7
    polyorder: Count = 2

    @model_validator(mode="after")
    def _fits(self) -> SavitzkyGolaySection:
        if self.window_length % 2 == 0 or self.polyorder >= self.window_length:
            raise ValueError(
                "window_length is odd and above polyorder, got "
                f"{self.window_length} and {self.polyorder}"
            )
        return self


def _named(value: Any) -> Any:
    """A name alone stands for the filter with its usual parameters."""
    if value is None or value == "none":
        return None
    return {"type": value} if isinstance(value, str) else value


Smoothing = Annotated[
    Annotated[OneEuroSection | SavitzkyGolaySection, Field(discriminator="type")] | None,
    BeforeValidator(_named),
]


class TrackingSection(Section):
    """How instances are followed from frame to frame; see `Tracker`.

    Attributes:
        association: `oks`, similarity of keypoints, or `iou`, overlap of boxes.
        match_thr: least similarity of a track and its next detection.
        max_lost: frames that a track survives unseen.
        min_hits: frames in a row in which someone has to be seen to get an identity.
        new_track_thr: least score of a detection that starts a track.
        low_thr: detections of a lower score are ignored.
        duplicate_thr: similarity from which the less sure of two detections is a duplicate.
        keypoint_thr: least score of a keypoint that counts.
        max_gap: most frames of a gap in a track that is filled in; 0 for none.
        smoothing: `none`, `one_euro`, `savitzky_golay`, or a mapping with this `type` and
            parameters.
        causal: every frame is answered at once; what needs later frames is a mistake then.
    """

    association: Literal["oks", "iou"] = "oks"
    match_thr: Share = 0.2
    max_lost: Count = 30
    min_hits: PositiveInt = 2
    new_track_thr: Fraction = 0.5
    low_thr: Fraction = 0.1
    duplicate_thr: Share = 0.7
    keypoint_thr: Fraction = 0.2
    max_gap: Count = 0
    smoothing: Smoothing = None
    causal: bool = False

    @model_validator(mode="after")
    def _possible(self) -> TrackingSection:
        if self.causal and self.looks_ahead is not None:
            raise ValueError(
                f"causal: {self.looks_ahead} needs frames that are not there yet; take smoothing "
                "one_euro without max_gap, or causal false"
            )
        if self.low_thr > self.new_track_thr:
            raise ValueError("low_thr is at most new_track_thr")
        return self

    @property
    def looks_ahead(self) -> str | None:
        """Return what needs later frames, None if nothing does."""
        if isinstance(self.smoothing, SavitzkyGolaySection):
            return "smoothing savitzky_golay"
        return "max_gap" if self.max_gap else None
