"""Models, built by name: importing this package fills the `MODELS` registry.

* `backbones`, `necks`, `heads`, `losses`, `data_preprocessors`: the parts.
* `estimators`: whole models for poses; `detectors`: whole models for boxes.
* `layers`: what the parts are made of; `checkpoint`: weights from files.
"""

from raypose.models import (
    backbones,
    data_preprocessors,
    detectors,
    estimators,
    heads,
    losses,
    necks,
)
from raypose.models.base_module import BaseModule

__all__ = [
    "BaseModule",
    "backbones",
    "data_preprocessors",
    "detectors",
    "estimators",
    "heads",
    "losses",
    "necks",
]
