"""`SkeletonConversion`: keypoints of one skeleton turned into those of another.

K keypoints of the source, M of the target, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import yaml

from raypose.errors import ConfigError, did_you_mean
from raypose.structures.skeleton import Skeleton

Shares = Mapping[str, float]
FloatType = TypeVar("FloatType", bound=np.floating[Any])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SkeletonConversion:
    """Makes each keypoint of the target of one or several of the source.

    A conversion is data: for a target keypoint the name of a source keypoint, or names with the
    shares that they have in it; shares add up to 1. Keypoints of the same name need no entry.
    Those that come with raypose are in `raypose/datasets/skeletons/conversions`, a file for each
    target; the first in a file whose keypoints the source has is used.

    Attributes:
        parts: (M, P) indices of the source keypoints of each target keypoint, the first repeated
            where they are fewer than P.
        shares: (M, P) share of each, 0 where repeated.

    Example:
        A COCO person as Human3.6M sees one:

            conversion = SkeletonConversion.between(Skeleton.load("coco"), Skeleton.load("h36m"))
            joints = conversion.keypoints(poses.keypoints)  # (N, 17, 2)
    """

    parts: npt.NDArray[np.intp]
    shares: npt.NDArray[np.float64]

    @classmethod
    def between(
        cls, source: Skeleton, target: Skeleton, joints: Mapping[str, Any] | None = None
    ) -> SkeletonConversion:
        """Return the conversion from one skeleton to another.

        Args:
            source: skeleton of the keypoints that come.
            target: skeleton of those that are wanted.
            joints: a conversion of one's own, instead of those that come with raypose:
                `{neck: {left_shoulder: 0.5, right_shoulder: 0.5}, head: nose}`.

        Raises:
            ConfigError: if `joints` is no conversion, or the source lacks keypoints, with their
                names.
        """
        if joints is not None:
            candidates = [_read(joints, target)]
        elif set(target.keypoint_names) <= set(source.keypoint_names):
            candidates = [_read({}, target)]
        else:
            candidates = _built_in(source, target)
        lacking = [_lacking(shares, source) for shares in candidates]
        best = min(range(len(candidates)), key=lambda index: len(lacking[index]))
        if lacking[best]:
            raise ConfigError(
                f"keypoints of the skeleton '{source.name}' cannot be turned into those of "
                f"'{target.name}'; missing: {', '.join(lacking[best])}"
            )
        return cls._compile(candidates[best], source)

    @classmethod
    def _compile(cls, joints: list[Shares], source: Skeleton) -> SkeletonConversion:
        most = max(len(shares) for shares in joints)
        parts = np.zeros((len(joints), most), np.intp)
        weights = np.zeros((len(joints), most), np.float64)
        for row, shares in enumerate(joints):
            indices = [source.keypoint_names.index(name) for name in shares]
            parts[row] = indices + indices[:1] * (most - len(indices))
            weights[row, : len(indices)] = list(shares.values())
        return cls(parts=parts, shares=weights)

    def keypoints(self, keypoints: npt.NDArray[FloatType]) -> npt.NDArray[FloatType]:
        """Turn keypoints (..., K, D) into (..., M, D)."""
        weighted = keypoints[..., self.parts, :] * self.shares[..., None].astype(keypoints.dtype)
        return weighted.sum(axis=-2)

    def scores(self, scores: npt.NDArray[FloatType]) -> npt.NDArray[FloatType]:
        """Turn scores (..., K) into (..., M): a keypoint is as sure as the least of its parts.

        A mean would let a joint between a seen hip and a guessed one pass for half seen.
        """
        return scores[..., self.parts].min(axis=-1)


def _built_in(source: Skeleton, target: Skeleton) -> list[list[Shares]]:
    """Return the conversions to a skeleton that are meant for this source."""
    folder = resources.files("raypose") / "datasets" / "skeletons" / "conversions"
    file = folder.joinpath(f"{target.name}.yaml")
    listed = []
    if file.is_file():
        listed = yaml.safe_load(file.read_text(encoding="utf-8"))["conversions"]
    fitting = [item for item in listed if source.name in item.get("sources", [source.name])]
    return [_read(item["joints"], target) for item in fitting] or [_read({}, target)]


def _read(joints: Any, target: Skeleton) -> list[Shares]:
    """Return for each target keypoint the shares of source keypoints in it."""
    where = f"conversion to '{target.name}'"
    if not isinstance(joints, Mapping):
        raise ConfigError(f"{where}: a mapping of keypoints expected, got {joints!r}")
    names = target.keypoint_names
    problems = [
        f"{where}: {name}: no keypoint is called so.{did_you_mean(str(name), names)}"
        for name in joints
        if name not in names
    ]
    read: list[Shares] = []
    for name in names:
        given = joints.get(name, name)
        shares = {given: 1.0} if isinstance(given, str) else given
        if not _add_up(shares):
            problems.append(
                f"{where}: {name}: a keypoint, or keypoints with shares that add up to 1, "
                f"expected, got {given!r}"
            )
        read.append(shares)
    if problems:
        raise ConfigError(problems)
    return read


def _add_up(shares: Any) -> bool:
    """Whether this is a mapping of numbers that add up to 1."""
    return (
        isinstance(shares, Mapping)
        and all(isinstance(share, (int, float)) for share in shares.values())
        and abs(sum(shares.values()) - 1) < 1e-6
    )


def _lacking(joints: list[Shares], source: Skeleton) -> list[str]:
    """Return the keypoints that a conversion needs and the source does not have."""
    return sorted({name for shares in joints for name in shares} - set(source.keypoint_names))
