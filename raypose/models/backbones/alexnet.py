"""AlexNet.

Paper: Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, NeurIPS
2012.
"""

from __future__ import annotations

from torch import Tensor, nn

from raypose.models.backbones.base_backbone import BaseBackbone
from raypose.models.base_module import InitCfg
from raypose.registry import MODELS


@MODELS.register_module()
class AlexNet(BaseBackbone):
    """AlexNet, one output of stride 32.

    Args:
        num_classes: classes of a classifier, for images of 224x224; -1 for none, then the output
            are feature maps (B, 256, H, W).
        init_cfg: see `BaseModule`.

    Example:
        type: AlexNet
    """

    def __init__(self, num_classes: int = -1, init_cfg: InitCfg = None) -> None:
        super().__init__(init_cfg)
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
        )
        self.classifier: nn.Module | None = None
        if num_classes > 0:
            self.classifier = nn.Sequential(
                nn.Dropout(),
                nn.Linear(256 * 6 * 6, 4096),
                nn.ReLU(inplace=True),
                nn.Dropout(),
                nn.Linear(4096, 4096),
                nn.ReLU(inplace=True),
                nn.Linear(4096, num_classes),
            )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return feature maps (B, 256, H, W), or scores (B, num_classes), as a tuple of one."""
        x = self.features(x)
        return (x if self.classifier is None else self.classifier(x.flatten(1)),)
