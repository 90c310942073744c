"""Contract 2: every mistake of a config at once, with its line, before Ray or data are touched.

The many kinds of mistakes are in tests/config; this is the whole way, a user's class among them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from raypose.errors import did_you_mean

CHANGES = {
    "backbone: {type: SmallNet, widths": "backbone: {type: SmalNet, widths",
    "    in_channels: 64\n    num_joints": "    in_chanels: 64\n    num_joints",
    "min_height: 60": "min_hight: 60",
    "ann_file: val.json": "ann_fil: val.json",
    "{type: Hits, thr: 0.2}": "{type: Hit, thr: 0.2}",
    "batch_size: 8": "batch_size: many",
    "decoder: ${codec}": "decoder: ${codek}",
}
EXPECTED = {
    "type: SmalNet": "model.backbone.type: unknown backbone 'SmalNet'. Did you mean 'SmallNet'?",
    "in_chanels": "model.head.in_chanels: PointHead takes no argument 'in_chanels'. "
    "Did you mean 'in_channels'?",
    "min_hight": "data.train.pipeline.0.min_hight: SkipSmall takes no argument 'min_hight'. "
    "Did you mean 'min_height'?",
    "ann_fil:": "data.val.dataset.ann_fil: CocoDataset takes no argument 'ann_fil'. "
    "Did you mean 'ann_file'?",
    "type: Hit,": "metrics.0.type: unknown metric 'Hit'. Did you mean 'Hits'?",
    "batch_size: many": "train.batch_size: got 'many', "
    "expected a whole number greater than 0, or auto",
    "codek": "model.head.decoder: ${codek} refers to nothing: no key 'codek'. "
    "Did you mean 'codec'?",
}
# Ray cannot be imported at all, and there is no data.
RUN = "import sys; sys.modules['ray'] = None; from raypose.cli import main; sys.exit(main())"


def test_all_mistakes_of_a_users_config_are_said_at_once(project: Path) -> None:
    text = (project / "people.yaml").read_text()
    for right, wrong in CHANGES.items():
        assert right in text, right
        text = text.replace(right, wrong)
    file = project / "mistaken.yaml"
    file.write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", RUN, "train", str(file), "data_root=nowhere"],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    lines = text.splitlines()
    expected = []
    for part, message in EXPECTED.items():
        (number,) = [i for i, line in enumerate(lines, 1) if part in line]
        expected.append(f"{file}:{number}: {message}")
    said = done.stderr.splitlines()
    assert said[0] == "raypose: the config cannot be used:"
    assert sorted(said[1:]) == sorted(expected)


def test_nothing_near_nothing_suggested() -> None:
    assert did_you_mean("Transformer", ["SmallNet", "PointHead"]) == ""
