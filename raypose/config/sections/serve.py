"""`serve:` and the file of `raypose serve`: the chain of models behind an address."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from raypose.config.sections.base import (
    Amount,
    Count,
    Fraction,
    PositiveFloat,
    PositiveInt,
    Section,
)
from raypose.errors import ConfigError


class StageSection(Section):
    """What every deployment of the chain has.

    Attributes:
        num_replicas: copies of the model.
        num_cpus: CPUs of one replica; null for a fair share of the cluster's, at most 1.
        num_gpus: GPUs of one replica.
        max_batch_size: requests that are answered by one call of the model.
        batch_wait_timeout_s: seconds to wait for more requests before a call.
        max_ongoing_requests: requests one replica holds at a time.
        max_queued_requests: requests that wait for a replica; what is more is refused with 503.
    """

    num_replicas: PositiveInt = 1
    num_cpus: Amount | None = None
    num_gpus: Amount = 0.0
    max_batch_size: PositiveInt = 8
    batch_wait_timeout_s: Amount = 0.005
    max_ongoing_requests: PositiveInt = 32
    max_queued_requests: Count = 64


class ModelStageSection(StageSection):
    """A stage whose model is built from a config.

    Attributes:
        config: its config, path or name, or a checkpoint that holds it; null for the one that the
            weights hold.
        weights: its checkpoint; null for the one that the config names.
    """

    config: str | None = None
    weights: str | None = None

    @property
    def source(self) -> str:
        """Return what the model is built from.

        Raises:
            ConfigError: if there is neither a config nor a checkpoint.
        """
        found = self.config or self.weights
        if found is None:
            raise ConfigError("serve: a model needs 'config', or 'weights' that hold their config")
        return found


class PoseStageSection(ModelStageSection):
    """The pose model; without config and weights, that of the experiment which it is part of.

    Attributes:
        crops: crops of one call of the model, from as many requests as it takes.
    """

    crops: PositiveInt = 8


class DetectorStageSection(StageSection):
    """The person detector; without one, boxes come with the request.

    Attributes:
        model: an ONNX file (RTMDet, YOLOX).
        bbox_thr: detections with a lower score are dropped.
        nms_thr: overlap from which the lower of two boxes is dropped; null for the usual one of
            the model's family.
        max_instances: most boxes of an image, those with the highest scores.
    """

    model: str
    bbox_thr: Fraction = 0.3
    nms_thr: Fraction | None = None
    max_instances: PositiveInt = 100


class LifterStageSection(ModelStageSection):
    """The model that lifts 2D poses to 3D."""


class ServeSection(Section):
    """How poses are served.

    Attributes:
        host: address to listen on.
        port: port to listen on.
        pose: the pose model.
        detector: the person detector, null if requests bring their boxes.
        lifter: the 2D-to-3D model, if any.
        max_image_bytes: size of an encoded image from which it is refused with 413.
        max_image_pixels: width times height from which an image is refused before it is decoded.
        max_instances: most boxes that a request may bring.
        request_timeout_s: seconds until a request is given up with 504.
        api_key: what the header `Authorization: Bearer KEY` must bring; null for no check.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    pose: PoseStageSection = PoseStageSection()
    detector: DetectorStageSection | None = None
    lifter: LifterStageSection | None = None
    max_image_bytes: PositiveInt = 20_000_000
    max_image_pixels: PositiveInt = 50_000_000
    max_instances: PositiveInt = 200
    request_timeout_s: PositiveFloat = 30.0
    api_key: str | None = None
