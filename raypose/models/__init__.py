"""Models, built by name: importing this package fills the `MODELS` registry.

* `backbones`, `necks`, `heads`, `losses`, `data_preprocessors`: the parts.
* `assigners`: what dense heads learn by.
* `estimators`: whole models for poses; `distillers`: pairs of them, of which one learns;
  `detectors`: whole models for boxes.
* `layers`: what the parts are made of; `checkpoint`: weights from files.
"""

from raypose.models import (
    assigners,
    backbones,
    data_preprocessors,
    detectors,
    distillers,
    estimators,
    heads,
    losses,
    necks,
)
from raypose.models.base_module import BaseModule

__all__ = [
    "BaseModule",
    "assigners",
    "backbones",
    "data_preprocessors",
    "detectors",
    "distillers",
    "estimators",
    "heads",
    "losses",
    "necks",
]
