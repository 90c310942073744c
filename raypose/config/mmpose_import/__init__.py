"""From MMPose's Python configs to YAML."""

from raypose.config.mmpose_import.reader import read_mmpose_config
from raypose.config.mmpose_import.translator import Translation, import_mmpose, translate

__all__ = ["Translation", "import_mmpose", "read_mmpose_config", "translate"]
