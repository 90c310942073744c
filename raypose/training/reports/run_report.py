"""The report of a training run: what it was, how it went, where its best checkpoint fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import raypose
from raypose.config import Config, build_dataset, build_model
from raypose.structures import PoseSample
from raypose.training.answers import Answer
from raypose.training.evaluation import lower_is_better, main_metric
from raypose.training.reports.error_parts import error_charts, error_table, worst_cases
from raypose.training.reports.run_curves import metric_charts, training_charts
from raypose.training.reports.run_folder import RunFolder
from raypose.training.reports.validation_errors import ValidationErrors
from raypose.visualization import Charts, Facts, Number, Numbers, Part, Report, write_report
from raypose.visualization.report_parts import duration

REPORT = "report.html"
"""The report, in the folder of the run."""
_NUM_WORST = 12


def write_run_report(run: RunFolder, answers: Sequence[Answer], path: Path | None = None) -> Path:
    """Write the report of a run.

    Args:
        run: its folder.
        answers: of its best checkpoint to the validation set; may be empty.
        path: of the page, `report.html` of the folder by default.

    Returns:
        The path.
    """
    epochs = run.summary().get("epochs") or max((row["epoch"] for row in run.rows()), default=0)
    report = Report(
        title=run.path.resolve().name,
        summary=f"{_what(run.config)}, {epochs:g} epochs.",
        parts=run_parts(run, answers),
        footer=f"raypose {raypose.__version__}, {run.path.resolve()}",
    )
    return write_report(report, run.path / REPORT if path is None else path)


def run_parts(run: RunFolder, answers: Sequence[Answer]) -> list[Part]:
    """Return all parts of the report of a run, for a page of one's own too.

    Args:
        run: its folder.
        answers: of its best checkpoint to the validation set.
    """
    rows = run.rows()
    measured = [row for row in rows if "lr" not in row]
    main = None
    if measured:
        names = {
            name: value for name, value in measured[-1].items() if name not in ("step", "epoch")
        }
        main = main_metric(names, run.config.train.save_best)
    dataset = build_dataset(run.config, "val") if answers else []
    errors = ValidationErrors.measure(run.config, dataset, answers)
    shown: list[Part] = [
        Numbers(_cards(measured, main, run.summary())),
        Charts("Training", training_charts(rows)),
        Charts("Validation", metric_charts(rows, main)),
    ]
    if errors is not None:
        shown += [
            error_table(errors),
            Charts("How large the errors are", error_charts(errors)),
            worst_cases(errors, _NUM_WORST),
        ]
    facts = _facts(run.config, dataset)
    shown.append(
        Facts(heading="Config", facts=facts, text_name="All of it", text=run.config.to_yaml())
    )
    return shown


def _cards(
    measured: Sequence[Mapping[str, float]], main: str | None, summary: Mapping[str, float]
) -> list[Number]:
    """Return the best and the last value of the main metric, the last of others, and the effort."""
    cards = []
    if main is not None:
        values = [(row[main], row["epoch"]) for row in measured if main in row]
        known = [pair for pair in values if pair[0] == pair[0]] or values
        pick = min if lower_is_better(main) else max
        best, epoch = pick(known, key=lambda pair: pair[0])
        cards.append(Number(label=f"best {main}", value=f"{best:.4g}", note=f"epoch {epoch:g}"))
        cards.append(
            Number(
                label=f"last {main}", value=f"{values[-1][0]:.4g}", note=f"epoch {values[-1][1]:g}"
            )
        )
        others = [name for name in measured[-1] if name not in ("step", "epoch", main)]
        cards += [
            Number(label=name, value=f"{measured[-1][name]:.4g}", note="last")
            for name in others[:3]
        ]
    if "seconds" in summary:
        note = f"{summary['samples/s']:.0f} samples a second"
        cards.append(Number(label="training", value=duration(summary["seconds"]), note=note))
    return cards


def _facts(config: Config, dataset: Sequence[PoseSample]) -> dict[str, str]:
    data, train, options = config.data, config.train, config.data_options
    model = data["model"]
    optimizer = data.get("optimizer") or {}
    skeleton = config.skeleton
    codec = data.get("codec") or {}
    facts = {
        "Model": _what(config),
        "Parameters": _count_parameters(config),
        "Codec": _typed(codec),
        "Input": _size(codec.get("input_size")),
        "Keypoints": "" if skeleton is None else f"{skeleton.num_keypoints} ({skeleton.name})",
        "Trained on": "" if options.train is None else _source(options.train.dataset),
        "Validated on": "" if options.val is None else _source(options.val.dataset),
        "Validation samples": f"{len(dataset)}" if len(dataset) else "",
        "Optimizer": ", ".join(
            [
                _typed(optimizer),
                *(f"{k} {optimizer[k]:g}" for k in ("lr", "weight_decay") if optimizer.get(k)),
            ]
        ),
        "Schedules": ", ".join(_typed(node) for node in data.get("schedules") or []),
        "Batch": f"{train.batch_size}" + (f" x {train.accumulate}" if train.accumulate > 1 else ""),
        "Epochs": f"{train.epochs}",
        "Precision": train.amp or "float32",
        "Average of weights": "" if train.ema is None else f"momentum {train.ema.momentum:g}",
        "Flip test": "yes" if (model.get("test_cfg") or {}).get("flip_test") else "no",
        "Started from": train.load_from or "",
        "Workers": _workers(config),
        "Seed": f"{train.seed}",
    }
    return facts


def _workers(config: Config) -> str:
    fewest, most = config.cluster.min_workers, config.cluster.max_workers
    if not most:
        return "this process"
    return f"{fewest} to {most}" if config.cluster.is_elastic else f"{most}"


def _what(config: Config) -> str:
    """Return the model in a line: `TopdownPoseEstimator: HRNet, HeatmapHead`."""
    model = config.data["model"]
    inner = [_typed(model[name]) for name in ("backbone", "neck", "head") if model.get(name)]
    return f"{_typed(model)}: {', '.join(inner)}" if inner else _typed(model)


def _typed(node: Mapping[str, Any]) -> str:
    return str(node.get("type", "")).rsplit(".", 1)[-1]


def _size(size: Any) -> str:
    return " x ".join(str(side) for side in size) if isinstance(size, (list, tuple)) else ""


def _source(node: Mapping[str, Any]) -> str:
    """Return what a dataset is and where its labels are."""
    parts = node.get("datasets") or ([node["dataset"]] if "dataset" in node else [])
    inner = ", ".join(_source(part) for part in parts if isinstance(part, Mapping))
    named = [str(node[name]) for name in ("data_root", "ann_file", "bbox_file") if node.get(name)]
    return " ".join([_typed(node), *named]) + (f" ({inner})" if inner else "")


def _count_parameters(config: Config) -> str:
    """Return how many numbers the model learns; nothing for one that looks at numbers itself."""
    try:
        with torch.device("meta"):
            count = sum(p.numel() for p in build_model(config).parameters())
    except (NotImplementedError, RuntimeError):
        return ""
    return f"{count / 1e6:.2f} million" if count >= 1e4 else f"{count}"
