"""The commands of `raypose data` that read labelled data: check it, count it, look at it."""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raypose.cli.commands import AddCommand
from raypose.errors import DataError, RayposeError

if TYPE_CHECKING:  # commands import what they need when they run
    from raypose.config import Config
    from raypose.inspection.sources import Source

_log = logging.getLogger(__name__)
_SHOWN_OF_A_KIND = 10


def add_data_commands(command: AddCommand) -> None:
    """Add `check`, `stats` and `browse` to the commands of `raypose data`.

    Args:
        command: what adds one, given its name, function and summary.
    """
    check = command("check", _check, "Read all labels and images once and say what is wrong.")
    _add_labels(check)
    _add_json(check)
    check.add_argument("--strict", action="store_true", help="warnings count as errors do")
    check.add_argument("--all", action="store_true", help="list every finding, not ten of a kind")
    check.add_argument("--workers", type=int, help="processes that read images (one a core)")

    summary = "Count what is labelled in each split and source, and how large it is."
    stats = command("stats", _stats, summary)
    _add_labels(stats)
    _add_json(stats)

    summary = "Show samples before and after the transforms, and their targets, on one page."
    browse = command("browse", _browse, summary)
    browse.add_argument("config", help="a config: a YAML file, or the name of one of raypose")
    browse.add_argument("overrides", nargs="*", metavar="key=value", help="changes to the config")
    browse.add_argument("--split", choices=("train", "val"), default="train", help="(train)")
    browse.add_argument("--count", type=int, default=24, help="of samples, chosen at random (24)")
    browse.add_argument("--seed", type=int, default=0, help="of the choice (0)")
    browse.add_argument("--ids", nargs="+", default=[], metavar="ID", help="these samples instead")
    browse.add_argument("--epoch", type=int, default=0, help="whose augmentation is shown (0)")
    browse.add_argument("--draws", type=int, default=1, help="so many epochs from there on (1)")
    browse.add_argument(
        "-o", "--output", type=Path, metavar="FILE.html", help="(browse_SPLIT.html)"
    )


def _add_labels(parser: argparse.ArgumentParser) -> None:
    """Add what says whose labels are meant: a config, or COCO files."""
    parser.add_argument(
        "data",
        nargs="+",
        metavar="CONFIG|FILE.json|key=value",
        help="a config with overrides, or COCO json files, each a split of its own",
    )
    parser.set_defaults(overrides=[])
    parser.add_argument("--images", metavar="FOLDER", help="of the pictures of json files")
    parser.add_argument("--skeleton", help="of json files that name no keypoints")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write this as JSON")


def _check(options: argparse.Namespace) -> int:
    """Print what is wrong; return 1 if that is an error, or anything at all with --strict."""
    from raypose.inspection.check import check_labels
    from raypose.inspection.check_report import report_lines, report_record

    source, _ = _read(options)
    findings = check_labels(source, _count_of_workers(options.workers), show=_log.info)
    shown = None if options.all else _SHOWN_OF_A_KIND
    for line in report_lines(source, findings, shown):
        print(line)
    if options.json is not None:
        _write_json(report_record(source, findings), options.json)
    return int(any(options.strict or finding.severity == "error" for finding in findings))


def _stats(options: argparse.Namespace) -> None:
    """Print how much is labelled, of what, and how large.

    Raises:
        DataError: if an annotation file cannot be read.
    """
    from raypose.inspection.statistics import source_statistics
    from raypose.inspection.statistics_report import statistics_lines

    source, config = _read(options)
    statistics = source_statistics(source, config)
    for line in statistics_lines(statistics):
        print(line)
    if options.json is not None:
        _write_json(statistics, options.json)
    broken = [found for found in source.findings if found.kind == "annotation-file"]
    if broken:
        raise DataError("\n".join(f"{found.file}: {found.message}" for found in broken))
    if source.findings:
        _log.info("%d entries were passed over; see raypose data check", len(source.findings))


def _browse(options: argparse.Namespace) -> None:
    """Write the page.

    Raises:
        RayposeError: if a number is too small, or the data cannot be used.
    """
    from raypose.config import load_config
    from raypose.inspection.browsing import Choice, browse
    from raypose.visualization import write_report

    for name, least in (("count", 1), ("seed", 0), ("epoch", 0), ("draws", 1)):
        if getattr(options, name) < least:
            raise RayposeError(f"--{name} is at least {least}, got {getattr(options, name)}")
    choice = Choice(
        split=options.split,
        count=options.count,
        seed=options.seed,
        ids=options.ids,
        epoch=options.epoch,
        draws=options.draws,
    )
    report = browse(load_config(options.config, options.overrides), choice)
    path = options.output or Path(f"browse_{options.split}.html")
    _log.info("wrote %s", write_report(report, path))


def _read(options: argparse.Namespace) -> tuple[Source, Config | None]:
    """Read the labels of a config, or of COCO files without one.

    Raises:
        RayposeError: if both are given, several configs, or an option that is for json files.
    """
    from raypose.config import load_config
    from raypose.inspection.sources import read_config_labels, read_file_labels
    from raypose.structures import Skeleton

    words = [word for word in options.data if not _is_override(word)]
    overrides = [word for word in options.data if _is_override(word)] + options.overrides
    files = [word for word in words if word.endswith(".json")]
    if files:
        if len(files) < len(words) or overrides:
            other = [word for word in words if word not in files] + overrides
            raise RayposeError(f"json files stand alone, without {other[0]!r}")
        skeleton = None if options.skeleton is None else Skeleton.load(options.skeleton)
        return read_file_labels(files, skeleton, options.images), None
    for name in ("images", "skeleton"):
        if getattr(options, name) is not None:
            raise RayposeError(f"--{name} is for json files; a config says it itself")
    if len(words) != 1:
        raise RayposeError(
            f"one config, or json files, expected; got {len(words)} configs: {words}"
        )
    config = load_config(words[0], overrides)
    return read_config_labels(config), config


def _is_override(word: str) -> bool:
    return re.match(r"[A-Za-z_][\w.]*=", word) is not None and not Path(word).exists()


def _count_of_workers(asked: int | None) -> int:
    if asked is not None and asked < 1:
        raise RayposeError(f"--workers is at least 1, got {asked}")
    return asked or os.cpu_count() or 1


def _write_json(record: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
