"""Every config of an MMPose release: translated.

`MMPOSE_CONFIGS` names the folder `configs` (`mmpose/.mim/configs` of the unpacked wheel).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from raypose.config import load_config
from raypose.config.mmpose_import import read_mmpose_config, translate
from raypose.errors import ConfigError

FOLDER = Path(os.environ.get("MMPOSE_CONFIGS", "."))
NAMES = sorted(
    str(file.relative_to(FOLDER))
    for file in FOLDER.glob("*_keypoint/**/*.py")
    if "MMPOSE_CONFIGS" in os.environ
)

pytestmark = [
    pytest.mark.mmpose_configs,
    pytest.mark.skipif(not NAMES, reason="MMPOSE_CONFIGS does not name MMPose's configs"),
]


@pytest.mark.parametrize("name", NAMES or ["none"])
def test_a_config_of_the_release(name: str, tmp_path: Path) -> None:
    file = FOLDER / name
    path = tmp_path / "config.yaml"
    path.write_text(translate(read_mmpose_config(file), file).to_yaml(), encoding="utf-8")
    try:
        load_config(path)
    except ConfigError as error:
        # Models and codecs are checked when a config is loaded; only they may be unknown.
        others = [line for line in error.problems if not _is_about_the_model(line)]
        assert others == []


def _is_about_the_model(problem: str) -> bool:
    key = problem.split(": ", 2)[1]
    return key.split(".")[0] in ("model", "codec")
