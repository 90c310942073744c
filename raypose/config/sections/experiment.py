"""`Experiment`: the whole of a config, section by section."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from raypose.config.sections.annotate import AnnotateSection
from raypose.config.sections.base import Section, TypedMapping
from raypose.config.sections.cluster import ClusterSection
from raypose.config.sections.data import DataSection
from raypose.config.sections.optimizer import OptimizerSection
from raypose.config.sections.serve import ServeSection
from raypose.config.sections.train import TrainSection


def _name_or_mapping(value: Any) -> Any:
    if value is None or isinstance(value, (str, dict)):
        return value
    raise ValueError("expected the name of a skeleton, a file or a mapping")


class Experiment(Section):
    """What a config may hold at its top.

    Attributes:
        imports: the user's modules, imported in every process.
        import_paths: folders to find them in, besides the Python path; loading adds the folder of
            the config and the current one.
        skeleton: name, file or mapping; handed to model, datasets and metrics without their own.
        data_root: folder of the data, for use as `${data_root}`.
        codec: makes the targets of training; `${codec}` wherever it is needed again.
        model: the estimator.
        data: what it is trained and evaluated on.
        metrics: how it is evaluated.
        optimizer: how its weights change.
        schedules: how the learning rate changes.
        train: how long, in what batches, what is kept.
        cluster: how many training processes.
        annotate: how batch annotation runs.
        serve: how it is served.
    """

    imports: list[str] = Field(default_factory=list)
    import_paths: list[str] = Field(default_factory=list)
    skeleton: Annotated[Any, BeforeValidator(_name_or_mapping)] = None
    data_root: str | None = None
    codec: TypedMapping | None = None
    model: TypedMapping
    data: DataSection = DataSection()
    metrics: list[TypedMapping] = Field(default_factory=list)
    optimizer: OptimizerSection | None = None
    schedules: list[TypedMapping] = Field(default_factory=list)
    train: TrainSection = TrainSection()
    cluster: ClusterSection = ClusterSection()
    annotate: AnnotateSection = AnnotateSection()
    serve: ServeSection = ServeSection()
