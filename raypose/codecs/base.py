"""`BaseKeypointCodec`: keypoints to training targets and network outputs back to keypoints.

B samples, N instances, K keypoints, D dimensions. Everything is batched torch on the device of
the input. Output space: heatmap cells, SimCC bins, normalised coordinates. Input space: pixels of
the network's input.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor

from raypose.structures import PoseBatch


class BaseKeypointCodec(ABC):
    """What every codec is; one object encodes for training and decodes for inference.

    Attributes:
        target_keys: names that `encode` may return.
        auxiliary_encode_keys: names of `PoseBatch.annotations` that `encode` takes besides the
            keypoints, where the batch has them.
        input_key: the encoded item that is the network's input (lifters), else None.
    """

    target_keys: ClassVar[tuple[str, ...]] = ()
    auxiliary_encode_keys: tuple[str, ...] = ()
    input_key: ClassVar[str | None] = None

    @abstractmethod
    def encode(
        self, keypoints: Tensor, keypoints_visible: Tensor | None = None, **annotations: Any
    ) -> dict[str, Any]:
        """Make targets from keypoints.

        Args:
            keypoints: (B, N, K, D) float32, input space.
            keypoints_visible: (B, N, K) float32, all ones when left out. Padded instances have 0.
            **annotations: those of `auxiliary_encode_keys` that the batch has.

        Returns:
            Targets by name, each with a leading B; `keypoint_weights` is (B, N, K).
        """

    @abstractmethod
    def decode(self, encoded: Any) -> tuple[Any, Any]:
        """Read keypoints from network outputs.

        Args:
            encoded: the output of a head's `forward`: a tensor (B, ...) or a tuple of them.

        Returns:
            Keypoints (B, N, K, D) in input space and scores (B, N, K); codecs that find a
            different number of instances in each sample return lists of B tensors
            (N_i, K, D) and (N_i, K).
        """

    def encode_batch(self, batch: PoseBatch, keypoint_weights: Tensor | None = None) -> PoseBatch:
        """Return the batch with `targets` filled, and `inputs` where the codec makes them.

        Args:
            batch: as the loader made it, on its device.
            keypoint_weights: (K,) weights of the skeleton to multiply into `keypoint_weights`.
        """
        assert batch.keypoints is not None, "encode_batch needs a batch with keypoints"
        known = {
            name: batch.annotations[name]
            for name in self.auxiliary_encode_keys
            if name in batch.annotations
        }
        targets = self.encode(batch.keypoints, batch.keypoints_visible, **known)
        if keypoint_weights is not None and "keypoint_weights" in targets:
            targets["keypoint_weights"] = targets["keypoint_weights"] * keypoint_weights
        inputs = batch.inputs if self.input_key is None else targets[self.input_key]
        return batch.replace(targets={**batch.targets, **targets}, inputs=inputs)
