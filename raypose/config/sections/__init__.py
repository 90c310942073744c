"""The typed sections of a config."""

from raypose.config.sections.annotate import AnnotateSection
from raypose.config.sections.cluster import ClusterSection
from raypose.config.sections.data import (
    DataSection,
    PipelineSwitchSection,
    SplitSection,
    TrainSplitSection,
)
from raypose.config.sections.experiment import Experiment
from raypose.config.sections.optimizer import OptimizerSection, ParamwiseSection
from raypose.config.sections.serve import (
    AutoscalingSection,
    DetectorStageSection,
    IngressSection,
    LifterStageSection,
    PoseStageSection,
    ReplicasSection,
    ServedModelSection,
    ServeSection,
    StageSection,
    StreamSection,
)
from raypose.config.sections.tracking import (
    OneEuroSection,
    SavitzkyGolaySection,
    TrackingSection,
)
from raypose.config.sections.train import (
    AutoScaleLrSection,
    ClipGradSection,
    EarlyStopSection,
    EmaSection,
    ModelSwitchSection,
    TrainSection,
)

__all__ = [
    "AutoScaleLrSection",
    "StreamSection",
    "ServedModelSection",
    "ReplicasSection",
    "IngressSection",
    "AutoscalingSection",
    "AnnotateSection",
    "ClipGradSection",
    "ClusterSection",
    "DataSection",
    "DetectorStageSection",
    "EarlyStopSection",
    "EmaSection",
    "Experiment",
    "LifterStageSection",
    "ModelSwitchSection",
    "OneEuroSection",
    "OptimizerSection",
    "ParamwiseSection",
    "PipelineSwitchSection",
    "PoseStageSection",
    "SavitzkyGolaySection",
    "ServeSection",
    "SplitSection",
    "StageSection",
    "TrackingSection",
    "TrainSection",
    "TrainSplitSection",
]
