"""What stands between a backbone and a head."""

from raypose.models.necks.feature_map_processor import FeatureMapProcessor
from raypose.models.necks.global_average_pooling import GlobalAveragePooling

__all__ = ["FeatureMapProcessor", "GlobalAveragePooling"]
