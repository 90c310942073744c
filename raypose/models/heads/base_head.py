"""`BaseHead`: features to outputs, outputs to losses or to keypoints.

A head owns its loss and its codec. The estimator above it knows images and crops; the head knows
input space only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import RayposeError
from raypose.models.base_module import BaseModule, InitCfg
from raypose.structures import PoseBatch, Poses, Skeleton

Features = Sequence[Tensor] | Tensor
Outputs = Any  # a tensor, or a tuple or list of tensors, of the head's own


class BaseHead(BaseModule, ABC):
    """Parent of heads.

    Attributes:
        decoder: the codec that reads keypoints from the outputs, if the head has one.
        train_cfg: options of training; the estimator puts its own `train_cfg` here.
        test_cfg: options of prediction; the estimator puts its own `test_cfg` here.
        skeleton: that of the estimator, which puts it here.
        train_cfg_keys: options of training that only this head knows.
        test_cfg_keys: options of prediction that only this head knows.
        network_method: name of the method through which `predict` reads its features, as a rule
            all of them; pure, so that another backend than torch can take its place.
    """

    decoder: BaseKeypointCodec | None
    skeleton: Skeleton | None = None
    train_cfg_keys: ClassVar[tuple[str, ...]] = ()
    test_cfg_keys: ClassVar[tuple[str, ...]] = ()
    network_method: ClassVar[str] = "forward"

    def __init__(self, init_cfg: InitCfg = None) -> None:
        super().__init__(init_cfg)
        self.decoder = None
        self.train_cfg: Mapping[str, Any] = {}
        self.test_cfg: Mapping[str, Any] = {}

    @abstractmethod
    def forward(self, feats: Features) -> Outputs:
        """Return raw outputs: pure, so that it compiles and exports."""

    @abstractmethod
    def loss(self, feats: Features, batch: PoseBatch) -> dict[str, Tensor]:
        """Return losses; entries named `loss*` are summed, the others are only logged."""

    @abstractmethod
    def predict(self, feats: Features, batch: PoseBatch) -> list[Poses]:
        """Return the poses of each of B samples in input space.

        While `batch.flip_test` is true, `feats` hold 2B samples; `forward_test` folds them.
        """

    def flip_outputs(self, outputs: Outputs, batch: PoseBatch) -> Outputs:
        """Undo the mirroring of outputs that come from mirrored images (for the flip test)."""
        raise NotImplementedError(
            f"{type(self).__name__} does not say how its outputs are mirrored: override "
            "flip_outputs() or set test_cfg.flip_test to false"
        )

    def flip_indices(self, batch: PoseBatch) -> tuple[int, ...]:
        """Return the mirror partner of each keypoint, which the estimator puts into the batch.

        Raises:
            RayposeError: if the batch has none.
        """
        if batch.flip_indices is None:
            raise RayposeError("a flip test needs flip_indices in the batch")
        return batch.flip_indices

    def forward_test(self, feats: Features, batch: PoseBatch) -> Outputs:
        """Return outputs for B samples, averaged with their mirrored halves in a flip test."""
        return self.fold_flip_test(self.forward(feats), batch)

    def fold_flip_test(self, outputs: Outputs, batch: PoseBatch) -> Outputs:
        """Average outputs of 2B samples with those of their mirrored halves.

        Outputs of a batch without flip test come back as they are.
        """
        if not batch.flip_test:
            return outputs
        plain, mirrored = _half(outputs, 0), _half(outputs, 1)
        return _average(plain, self.flip_outputs(mirrored, batch))

    def decode(self, outputs: Outputs) -> list[Poses]:
        """Let the codec read keypoints; one `Poses` in input space for each sample."""
        assert self.decoder is not None, f"{type(self).__name__} was built without a decoder"
        keypoints, scores = self.decoder.decode(outputs)
        if isinstance(scores, tuple):  # a codec that reads visibilities, too
            scores, visible = (_to_cpu(values) for values in scores)
        else:
            scores, visible = _to_cpu(scores), None
        return [
            Poses(
                keypoints=numpy_of(points),
                keypoint_scores=numpy_of(scores[i]),
                keypoints_visible=None if visible is None else numpy_of(visible[i]),
            )
            for i, points in enumerate(_to_cpu(keypoints))
        ]


def _half(outputs: Outputs, part: int) -> Outputs:
    if isinstance(outputs, Tensor):
        return outputs.chunk(2)[part]
    return type(outputs)(_half(item, part) for item in outputs)


def _average(one: Outputs, other: Outputs) -> Outputs:
    if isinstance(one, Tensor):
        return (one + other) * 0.5
    return type(one)(_average(a, b) for a, b in zip(one, other, strict=True))


def _to_cpu(values: Any) -> Any:
    # One transfer for a stacked tensor instead of one for each sample.
    return values.detach().cpu() if isinstance(values, Tensor) else values


def numpy_of(values: Tensor) -> Any:
    """Return the values as a float32 array in host memory."""
    return values.detach().to("cpu", torch.float32).numpy()
