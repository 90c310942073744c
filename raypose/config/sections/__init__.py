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
    DetectorStageSection,
    LifterStageSection,
    PoseStageSection,
    ServeSection,
    StageSection,
)
from raypose.config.sections.train import (
    ClipGradSection,
    EmaSection,
    ModelSwitchSection,
    TrainSection,
)

__all__ = [
    "AnnotateSection",
    "ClipGradSection",
    "ClusterSection",
    "DataSection",
    "DetectorStageSection",
    "EmaSection",
    "Experiment",
    "LifterStageSection",
    "ModelSwitchSection",
    "OptimizerSection",
    "ParamwiseSection",
    "PipelineSwitchSection",
    "PoseStageSection",
    "ServeSection",
    "SplitSection",
    "StageSection",
    "TrainSection",
    "TrainSplitSection",
]
