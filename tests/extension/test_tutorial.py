"""The tutorial, followed to the letter: its files run, its commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from raypose.cli.entry import parse
from tests.extension.conftest import Trained
from tests.extension.runs import losses, same_weights
from tests.extension.tutorial import PAGE, write_tutorial


def test_every_block_of_code_is_a_file(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    files = write_tutorial(tmp_path)
    assert len(files) == len(re.findall(r"^```(?:python|yaml)$", page, re.M))
    assert len(set(files)) == len(files)
    assert {file.name for file in files if file.suffix == ".yaml"} == {
        "people.yaml",
        "wrapped.yaml",
        "grid.yaml",
    }


@pytest.mark.parametrize("name", ["people", "wrapped", "grid"])
def test_a_config_of_the_tutorial_trains_and_comes_back(trained: Trained, name: str) -> None:
    config, work_dir, metrics = trained(name)
    falling = losses(work_dir)
    assert falling[-1] < 0.7 * falling[0]
    assert metrics["Hits"] > 0.1
    same_weights(config, work_dir)


def test_the_commands_of_the_tutorial_exist() -> None:
    lines = re.findall(r"^raypose (.*)$", PAGE.read_text(encoding="utf-8"), re.M)
    options = [parse(shlex.split(line)) for line in lines]
    assert [option.run.__name__ for option in options] == [
        "_train",
        "_train",
        "_annotate",
        "_serve",
    ]
    assert options[1].overrides == ["cluster.num_workers=2", "data.loader=ray"]
    assert options[1].work_dir == Path("runs/more")
