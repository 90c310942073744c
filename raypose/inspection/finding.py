"""`Finding`: one thing that a check of data has to say, with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]

KINDS: dict[str, tuple[Severity, str]] = {
    "annotation-file": ("error", "annotation files that cannot be read"),
    "image-entry": ("error", "entries of images that lack something"),
    "annotation-entry": ("error", "annotations that lack something or hold no numbers"),
    "keypoint-count": (
        "error",
        "keypoints that are not as many as the skeleton's, or not in its order",
    ),
    "id-clash": ("error", "ids that are there twice"),
    "no-box": ("warning", "annotations with keypoints and no box, which training leaves out"),
    "unknown-image": ("error", "annotations of an image that is not in the file"),
    "unknown-category": ("warning", "annotations of a category that is not in the file"),
    "missing-image": ("error", "images that are not there"),
    "unreadable-image": ("error", "images that cannot be decoded, or not to their end"),
    "image-size": ("error", "images of another size than the file says"),
    "empty-box": ("error", "boxes without an area"),
    "box-outside": ("warning", "boxes that reach beyond the image"),
    "keypoint-outside-image": ("warning", "labelled keypoints beyond the image"),
    "keypoint-outside-box": ("warning", "labelled keypoints far outside their box"),
    "visibility": ("warning", "visibilities that contradict the rest"),
    "never-labelled": ("warning", "keypoints that no instance has"),
    "no-area": ("warning", "annotations without an area, for which OKS is not defined"),
    "swapped-sides": ("warning", "left and right that look exchanged"),
    "limb-length": ("warning", "limbs that are too long for the rest of the pose"),
    "same-instance": ("warning", "instances that are labelled twice"),
    "split-overlap": ("error", "the same picture in two splits"),
    "same-picture": ("warning", "the same picture twice in a split"),
    "split-similar": ("warning", "nearly the same picture in two splits"),
    "similar-picture": ("warning", "nearly the same picture twice in a split"),
}
"""Every kind of finding: its severity, and what it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, or looks so.

    Attributes:
        kind: one of `KINDS`.
        file: the annotation file or image it is about.
        id: what it is about there, such as `annotation 12` or `image 3`; empty for all of it.
        message: what was found, and what was expected.
    """

    kind: str
    file: str
    id: str
    message: str

    @property
    def severity(self) -> Severity:
        """Return `error` where training would stop or its numbers would be wrong."""
        return KINDS[self.kind][0]

    def to_dict(self) -> dict[str, str]:
        """Return the finding as JSON has it."""
        return {
            "severity": self.severity,
            "kind": self.kind,
            "file": self.file,
            "id": self.id,
            "message": self.message,
        }


def file_findings(error: Exception, file: str, kind: str = "annotation-file") -> list[Finding]:
    """Return the lines of an error about a whole file as findings."""
    lines = str(error).splitlines()
    return [
        Finding(kind=kind, file=file, id="", message=line.removeprefix(f"{file}: "))
        for line in lines
    ]
