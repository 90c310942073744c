"""The commands `raypose eval` and `raypose report`."""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from raypose.cli.commands import AddCommand
from raypose.errors import RayposeError

if TYPE_CHECKING:  # commands import what they need when they run
    from raypose.config import Config
    from raypose.training.answers import Answer

_log = logging.getLogger(__name__)


def add_evaluation_commands(command: AddCommand) -> None:
    """Add `eval` and `report` to the commands of `raypose`.

    Args:
        command: what adds one, given its name, function and summary.
    """
    evaluate = command("eval", _evaluate, "Print the validation metrics of a checkpoint as JSON.")
    evaluate.add_argument(
        "source",
        nargs="+",
        metavar="CONFIG|RUN|CHECKPOINT|key=value",
        help="a config and a checkpoint, the folder of a run (its best.pth, or the one named "
        "besides), a checkpoint of raypose, or the name of a published model",
    )
    evaluate.set_defaults(overrides=[])
    evaluate.add_argument(
        "--boxes",
        metavar="FILE|gt",
        help="COCO json of detected boxes to estimate poses in, or gt for the annotated ones",
    )
    evaluate.add_argument("--box-score", type=float, metavar="S", help="least score of a box")
    evaluate.add_argument(
        "--flip-test",
        action=argparse.BooleanOptionalAction,
        help="average with the mirrored image, whatever the config says",
    )
    evaluate.add_argument(
        "--predictions",
        type=Path,
        metavar="FILE",
        help="also write all poses: .json as COCO results, .parquet a row for each sample",
    )
    evaluate.add_argument("-o", "--out", type=Path, metavar="FILE", help="also write the JSON here")

    report = command("report", _report, "Write a page about a training run, finished or not.")
    report.add_argument("folder", metavar="RUN", help="folder of the run")
    report.add_argument("-o", "--out", type=Path, help="page to write (report.html in RUN)")


def write_report_of(work_dir: Path) -> None:
    """Write the report of a run that has just ended; what goes wrong does not undo the run."""
    from raypose.training.reports.run_folder import RunFolder
    from raypose.training.reports.run_report import write_run_report

    try:
        run = RunFolder.open(work_dir)
        path = write_run_report(run, run.answers() or [])
    except Exception:
        _log.exception("no report; `raypose report %s` tries again", work_dir)
    else:
        _log.info("%s shows the run", path)


def _evaluate(options: argparse.Namespace) -> None:
    from raypose.distributed.evaluate import evaluate_checkpoint
    from raypose.training.launch import metrics_to_json

    path: Path | None = options.predictions
    if path is not None and path.suffix not in (".json", ".parquet"):
        raise RayposeError(f"--predictions: a .json or .parquet file expected, got {path}")
    config, checkpoint = _read_source(options)
    found = evaluate_checkpoint(config, checkpoint)
    text = metrics_to_json(found.numbers)
    if path is not None:
        assert found.answers is not None, "this process measures"
        _write_predictions(config, found.answers, path)
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n", encoding="utf-8")
    print(text)


def _read_source(options: argparse.Namespace) -> tuple[Config, Path]:
    """Return the config and the checkpoint that are meant."""
    from raypose.inference.loading import read_config
    from raypose.training.reports.run_folder import RunFolder

    is_override = re.compile(r"[A-Za-z_][\w.]*=").match
    words: list[str] = [w for w in options.source if not is_override(w) or Path(w).exists()]
    overrides = [w for w in options.source if w not in words] + options.overrides
    overrides += _overrides_of(options)
    if not 1 <= len(words) <= 2:
        raise RayposeError(
            f"a config and a checkpoint, or the folder of a run expected, got {words}"
        )
    source, weights = words[0], words[1] if len(words) > 1 else None
    if Path(source).is_dir():
        run = RunFolder.open(source)
        if weights is None and run.checkpoint is None:
            raise RayposeError(f"{source}: the run has no checkpoint yet")
        return read_config(run.path / "config.yaml", weights or run.checkpoint, overrides)
    return read_config(source, weights, overrides)


def _overrides_of(options: argparse.Namespace) -> list[str]:
    """Return what the options mean as overrides of the config."""
    dataset, given = "data.val.dataset", []
    if options.boxes == "gt":
        given += [f"{dataset}.bbox_file=null", f"{dataset}.filter_cfg=null"]
    elif options.boxes is not None:
        if not Path(options.boxes).is_file():
            raise RayposeError(f"--boxes: no file {options.boxes}")
        # A path in a config starts from the folder of its data.
        path = json.dumps(os.path.abspath(options.boxes))
        given += [f"{dataset}.bbox_file={path}", f"{dataset}.test_mode=true"]
    if options.box_score is not None:
        if options.boxes == "gt":
            raise RayposeError("--box-score: annotated boxes have no score")
        given.append(f"{dataset}.filter_cfg={{bbox_score_thr: {options.box_score}}}")
    if options.flip_test is not None:
        value = str(options.flip_test).lower()
        given.append(f"model={{test_cfg: {{flip_test: {value}}}}}")
    return given


def _write_predictions(config: Config, answers: Sequence[Answer], path: Path) -> None:
    from raypose.config import build_metrics
    from raypose.evaluation.coco_results import coco_results
    from raypose.training.answers import write_answers
    from raypose.training.checkpoint_evaluation import validation_set
    from raypose.training.evaluation import judged
    from raypose.training.launch import with_skeleton

    if path.suffix == ".parquet":
        write_answers(answers, path)
    else:
        config = with_skeleton(config)
        entries = coco_results(judged(answers, validation_set(config)), build_metrics(config))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(entries), encoding="utf-8")
    print(f"{path}: {len(answers)} samples", file=sys.stderr)


def _report(options: argparse.Namespace) -> None:
    from raypose.distributed.evaluate import evaluate_checkpoint
    from raypose.training.reports.run_folder import RunFolder
    from raypose.training.reports.run_report import write_run_report

    run = RunFolder.open(options.folder)
    answers = run.answers()
    if answers is None and run.checkpoint is not None:
        _log.info("evaluating %s", run.checkpoint)
        answers = evaluate_checkpoint(run.config, run.checkpoint).answers
    print(write_run_report(run, answers or [], options.out))
