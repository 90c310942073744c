"""`serve:` and the file of `raypose serve`: the models behind an address, and how they run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from raypose.config.sections.base import (
    Amount,
    Backend,
    Count,
    Fraction,
    PositiveFloat,
    PositiveInt,
    Section,
)
from raypose.config.sections.tracking import TrackingSection


class AutoscalingSection(Section):
    """How many replicas there are as the load changes.

    Attributes:
        min_replicas: fewest; 0 lets the first request wait for the model to be loaded.
        max_replicas: most.
        target_ongoing_requests: requests of one replica that are aimed at.
        upscale_delay_s: seconds of higher load before replicas are added.
        downscale_delay_s: seconds of lower load before replicas are removed.
    """

    min_replicas: Count = 1
    max_replicas: PositiveInt
    target_ongoing_requests: PositiveFloat = 4.0
    upscale_delay_s: Amount = 10.0
    downscale_delay_s: Amount = 300.0

    @model_validator(mode="after")
    def _ordered(self) -> AutoscalingSection:
        if self.min_replicas > self.max_replicas:
            raise ValueError(
                f"min_replicas {self.min_replicas} is more than max_replicas {self.max_replicas}"
            )
        return self


class ReplicasSection(Section):
    """What every deployment has.

    Attributes:
        num_replicas: how many there are, where `autoscaling` does not say it.
        autoscaling: a range instead.
        num_cpus: CPUs of one replica; null for a fair share of the cluster's, at most 1.
        num_gpus: GPUs of one replica; a fraction lets several share one.
        max_ongoing_requests: requests one replica holds at a time.
        max_queued_requests: requests that wait for a replica; what is more is refused with 503.
        health_check_period_s: seconds between two looks at whether a replica is in good health.
        health_check_timeout_s: seconds without an answer after which it is replaced.
        graceful_shutdown_timeout_s: seconds a replica that is taken down has to finish its work.
    """

    num_replicas: PositiveInt = 1
    autoscaling: AutoscalingSection | None = None
    num_cpus: Amount | None = None
    num_gpus: Amount = 0.0
    max_ongoing_requests: PositiveInt = 32
    max_queued_requests: Count = 64
    health_check_period_s: PositiveFloat = 10.0
    health_check_timeout_s: PositiveFloat = 60.0
    graceful_shutdown_timeout_s: Amount = 20.0

    @model_validator(mode="after")
    def _one_number_of_replicas(self) -> ReplicasSection:
        if self.autoscaling is not None and "num_replicas" in self.model_fields_set:
            raise ValueError("either num_replicas or autoscaling, not both")
        return self

    @property
    def fewest_replicas(self) -> int:
        """Return how many replicas there are at the start."""
        return self.num_replicas if self.autoscaling is None else self.autoscaling.min_replicas


class StageSection(ReplicasSection):
    """What every deployment with a model has.

    Attributes:
        max_batch_size: what is answered by one call of the model: images of the detector, people
            of the pose model and the lifter; gathered from as many requests as it takes.
        batch_wait_timeout_s: seconds to wait for more before a call; with 0 the requests that
            come while a call runs make the next batch.
        threads: threads of one call on a CPU.
    """

    max_batch_size: PositiveInt = 8
    batch_wait_timeout_s: Amount = 0.0
    threads: PositiveInt = 1


class ServedModelSection(Section):
    """A model that is built from a config.

    Attributes:
        config: its config, path or name, or a checkpoint that holds it; null for the one that the
            weights hold.
        weights: its checkpoint; null for the one that the config names.
    """

    config: str | None = None
    weights: str | None = None

    @model_validator(mode="after")
    def _named(self) -> ServedModelSection:
        if self.config is None and self.weights is None:
            raise ValueError("a model needs 'config', or 'weights' that hold their config")
        return self

    @property
    def source(self) -> str:
        """Return what the model is built from."""
        return str(self.config or self.weights)


class PoseStageSection(StageSection):
    """The pose model, or several behind one address.

    Attributes:
        config: see `ServedModelSection`.
        weights: see `ServedModelSection`.
        models: several models by name instead; a request takes one by `?model=NAME`, the first
            if it does not say.
        max_models: models that a replica holds at a time; the one that was asked for least
            recently leaves for another.
        backend: what runs the networks: `torch`, `onnxruntime`, `openvino`, or `auto` for ONNX
            Runtime on a CPU where it is installed and torch otherwise.
    """

    config: str | None = None
    weights: str | None = None
    models: dict[str, ServedModelSection] = Field(default_factory=dict)
    max_models: PositiveInt = 3
    backend: Backend = "auto"

    @model_validator(mode="after")
    def _one_way(self) -> PoseStageSection:
        if self.models and (self.config is not None or self.weights is not None):
            raise ValueError("either 'models', or 'config' and 'weights' of the only one")
        return self

    @property
    def named_models(self) -> dict[str, ServedModelSection]:
        """Return the models by name; the only one is called `pose`.

        Raises:
            ValueError: if there is none.
        """
        return self.models or {"pose": ServedModelSection(config=self.config, weights=self.weights)}


class DetectorStageSection(StageSection):
    """The person detector; without one, boxes come with the request.

    Attributes:
        model: an ONNX file (RTMDet, YOLOX), or config or name of a detector.
        weights: its checkpoint, where `model` is a config; null for the one it names.
        bbox_thr: detections with a lower score are dropped.
        nms_thr: overlap from which the lower of two boxes is dropped; null for the usual one of
            the model's family.
        max_instances: most boxes of an image, those with the highest scores.
    """

    model: str
    weights: str | None = None
    bbox_thr: Fraction = 0.3
    nms_thr: Fraction | None = None
    max_instances: PositiveInt = 100


class LifterStageSection(StageSection, ServedModelSection):
    """The model that lifts 2D poses to 3D."""


class IngressSection(ReplicasSection):
    """The deployment that speaks HTTP; it only waits for the models, which have their queues."""

    num_cpus: Amount | None = 0.0
    max_ongoing_requests: PositiveInt = 256
    max_queued_requests: Count = 256


class StreamSection(Section):
    """Video over WebSocket.

    Attributes:
        max_streams: open streams of one replica of the ingress; more are told to come later.
        max_waiting: frames of a stream that wait for the models; where a client sends faster than
            they go, the oldest of these is dropped.
        idle_timeout_s: seconds without a frame after which a stream is closed.
        tracking: how people get identities and are smoothed; every frame is answered at once.
    """

    max_streams: PositiveInt = 16
    max_waiting: PositiveInt = 2
    idle_timeout_s: PositiveFloat = 60.0
    tracking: TrackingSection = TrackingSection()

    @model_validator(mode="after")
    def _at_once(self) -> StreamSection:
        ahead = self.tracking.looks_ahead
        if ahead is not None:
            raise ValueError(
                f"tracking: a stream is answered at once, and {ahead} needs frames that are not "
                "there yet; take smoothing one_euro without max_gap"
            )
        return self


class ServeSection(Section):
    """How poses are served.

    Attributes:
        host: address to listen on.
        port: port to listen on.
        topology: `chain` gives each stage a deployment that scales alone; `fused` puts all of
            them into the process that speaks HTTP, with the replicas and CPUs of `pose`.
        ingress: the deployment that speaks HTTP, in a chain.
        pose: the pose model.
        detector: the person detector, null if requests bring their boxes.
        lifter: the 2D-to-3D model, if any.
        stream: video over WebSocket.
        max_image_bytes: size of an encoded image from which it is refused with 413.
        max_image_pixels: width times height from which an image is refused before it is decoded.
        max_images: most images of a request.
        max_request_bytes: size of a form with images from which it is refused with 413.
        max_instances: most boxes that a request may bring for an image.
        max_lift_frames: most frames of the sequences that a request may lift.
        request_timeout_s: seconds until a request is given up with 504.
        api_key: what the header `Authorization: Bearer KEY` must bring; null for no check.
        api_key_env: name of the environment variable that holds the key, instead of the key.
        page: whether `/` shows the page to try it with.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    topology: Literal["chain", "fused"] = "chain"
    ingress: IngressSection = IngressSection()
    pose: PoseStageSection = PoseStageSection()
    detector: DetectorStageSection | None = None
    lifter: LifterStageSection | None = None
    stream: StreamSection = StreamSection()
    max_image_bytes: PositiveInt = 20_000_000
    max_image_pixels: PositiveInt = 50_000_000
    max_images: PositiveInt = 16
    max_request_bytes: PositiveInt = 60_000_000
    max_instances: PositiveInt = 200
    max_lift_frames: PositiveInt = 10_000
    request_timeout_s: PositiveFloat = 30.0
    api_key: str | None = None
    api_key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    page: bool = True

    @field_validator("api_key")
    @classmethod
    def _key_of_some_length(cls, key: str | None) -> str | None:
        if key == "":
            raise ValueError("an empty key would let everybody in; null does so openly")
        return key

    @model_validator(mode="after")
    def _one_key(self) -> ServeSection:
        if self.api_key is not None and self.api_key_env is not None:
            raise ValueError("either api_key or api_key_env, not both")
        return self

    @model_validator(mode="after")
    def _fused_replicas(self) -> ServeSection:
        if self.topology == "chain":
            return self
        stages = {"ingress": self.ingress, "detector": self.detector, "lifter": self.lifter}
        # How often the lifter and the detector are called is theirs, where they run is not.
        own = {"max_batch_size", "model", "weights", "config", "bbox_thr", "nms_thr"}
        for name, stage in stages.items():
            given = sorted((set() if stage is None else stage.model_fields_set) - own)
            given = [key for key in given if key != "max_instances"]
            if given:
                raise ValueError(
                    f"topology fused: {name}.{given[0]} has no effect, everything runs in the "
                    f"replicas of pose; set pose.{given[0]}"
                )
        return self
