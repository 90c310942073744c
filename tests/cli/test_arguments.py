"""The words after `raypose`: overrides stand anywhere, anything else that is strange is refused."""

from __future__ import annotations

import pytest

from raypose.cli.entry import parse


@pytest.mark.parametrize(
    "line",
    [
        "train exp.yaml a=1 b.c=2 --work-dir out",
        "train exp.yaml --work-dir out a=1 b.c=2",
        "train exp.yaml a=1 --work-dir out b.c=2",
        "train --work-dir out exp.yaml a=1 b.c=2",
    ],
)
def test_overrides_stand_before_and_behind_options(line: str) -> None:
    options = parse(line.split())
    assert options.config == "exp.yaml"
    assert options.overrides == ["a=1", "b.c=2"]
    assert str(options.work_dir) == "out"


@pytest.mark.parametrize(
    ("line", "strange"),
    [
        ("train exp.yaml --work-dir out more", "more"),
        ("train exp.yaml --wrok-dir=out", "--wrok-dir=out"),
        ("demo a=1", "a=1"),
        ("weights list rtmpose more", "more"),
    ],
)
def test_what_is_strange_is_refused(
    line: str, strange: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(line.split())
    assert f"unrecognized arguments: {strange}" in capsys.readouterr().err
