"""Whole runs of the loop in this process: what they learn, how they go on, what they refuse."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from raypose.config import Config
from raypose.datasets import CocoDataset
from raypose.errors import CheckpointError, ConfigError, DataError, RayposeError
from raypose.training.launch import train_locally
from raypose.training.logs.csv_log import read_csv_log
from tests.tiny_runs import assert_same_weights, dataset, load_experiment, pipeline, weights_in


def history(work_dir: Path) -> list[dict[str, float]]:
    return torch.load(work_dir / "last.pth", weights_only=True)["history"]


def without_times(metrics: dict[str, float]) -> dict[str, float]:
    return {k: v for k, v in metrics.items() if k not in ("seconds", "samples/s")}


def test_the_loss_falls_and_the_best_checkpoint_is_kept(
    synthetic_people: Path, tmp_path: Path
) -> None:
    config = load_experiment(
        tmp_path,
        synthetic_people,
        train__epochs=18,
        train__val_interval=5,
        data__train__pipeline=pipeline(augment=False),
    )
    metrics = train_locally(config, tmp_path / "run")
    rows = history(tmp_path / "run")
    assert [row["epoch"] for row in rows] == list(range(1, 19))
    assert rows[-1]["loss"] < 0.9 * rows[0]["loss"]
    assert metrics["epochs"] == 18
    assert [row["epoch"] for row in rows if "EPE" in row] == [5, 10, 15, 18]
    best = max((row for row in rows if "PCK" in row), key=lambda row: row["PCK"])
    assert metrics["best/PCK"] == best["PCK"]
    assert metrics["best/epoch"] == best["epoch"]
    assert torch.load(tmp_path / "run" / "best.pth", weights_only=True)["epoch"] == best["epoch"]


EVERYTHING: dict[str, Any] = {
    "train__ema": {"momentum": 0.1, "gamma": 4},
    "train__accumulate": 2,
    "train__clip_grad": 1.0,
    "train__batch_size": 4,
    "model__backbone": {"type": "TinyBackbone", "norm": True, "dropout": 0.2},
    "schedules": [
        {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False, "begin": 0, "end": 7},
        {"type": "CosineAnnealingLR", "eta_min_ratio": 0.1, "convert_to_iter_based": True},
    ],
    "train__epochs": 4,
}


class InterruptionError(Exception):
    """Stands for a process that dies."""


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_resumed_run_ends_with_the_same_weights(
    synthetic_people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channels_last: bool
) -> None:
    config = load_experiment(
        tmp_path, synthetic_people, **EVERYTHING, train__channels_last=channels_last
    )
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    expected = train_locally(config, whole)
    with monkeypatch.context() as patch:
        die_in_epoch(patch, 2)
        with pytest.raises(InterruptionError):
            train_locally(config, parts)
    assert torch.load(parts / "last.pth", weights_only=True)["epoch"] == 2
    metrics = train_locally(config, parts, resume=True)
    assert without_times(metrics) == without_times(expected)
    for name in ("last.pth", "best.pth"):
        assert_same_weights(weights_in(parts / name), weights_in(whole / name))
    first, second = (
        torch.load(folder / "last.pth", weights_only=True)["raw_state_dict"]
        for folder in (whole, parts)
    )
    assert_same_weights(first, second)


def die_in_epoch(patch: pytest.MonkeyPatch, epoch: int) -> None:
    from raypose.training.epoch import EpochTrainer

    train = EpochTrainer.train

    def dies(self: EpochTrainer, number: int, batches: Any) -> Any:
        if number == epoch:
            raise InterruptionError
        return train(self, number, batches)

    patch.setattr(EpochTrainer, "train", dies)


def test_a_finished_run_has_nothing_to_resume(synthetic_people: Path, tmp_path: Path) -> None:
    config = load_experiment(tmp_path, synthetic_people)
    metrics = train_locally(config, tmp_path / "run")
    again = train_locally(config, tmp_path / "run", resume=True)
    assert again == metrics


def test_without_resume_a_run_starts_anew(synthetic_people: Path, tmp_path: Path) -> None:
    config = load_experiment(tmp_path, synthetic_people)
    first = train_locally(config, tmp_path / "run")
    second = train_locally(config, tmp_path / "run")
    assert without_times(first) == without_times(second)
    assert len(history(tmp_path / "run")) == 2


def weights_after(config: Config, folder: Path) -> dict[str, torch.Tensor]:
    train_locally(config, folder)
    return weights_in(folder / "last.pth")


def test_two_half_batches_make_one_step_of_the_whole(
    synthetic_people: Path, tmp_path: Path
) -> None:
    # 8 samples: a step of 8, or two batches of 4. Of one image each: several of an image would
    # be laid out by the size of the batch.
    found = {k: v for k, v in dataset(synthetic_people, "train").items() if k != "type"}
    images = CocoDataset(**found).image_numbers()
    _, firsts = np.unique(images, return_index=True)
    common: dict[str, Any] = {"optimizer": {"type": "SGD", "lr": 0.1}, "train__clip_grad": 1.0}
    common["data__train__dataset"] = dataset(synthetic_people, "train", indices=firsts[:8].tolist())
    whole = load_experiment(tmp_path, synthetic_people, **common, train__batch_size=8)
    halves = load_experiment(
        tmp_path, synthetic_people, **common, train__batch_size=4, train__accumulate=2
    )
    first = weights_after(whole, tmp_path / "whole")
    second = weights_after(halves, tmp_path / "halves")
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=1e-4, atol=1e-6)


def test_a_last_step_of_fewer_batches_weighs_as_much(
    synthetic_people: Path, tmp_path: Path
) -> None:
    # 12 samples in batches of 4: with accumulate 2 the second step has one batch only, so a run
    # of 4 samples is a run of one such step.
    common: dict[str, Any] = {
        "optimizer": {"type": "SGD", "lr": 0.1},
        "train__epochs": 1,
        "train__batch_size": 4,
        "data__train__dataset": dataset(synthetic_people, "train", indices=4),
    }
    single = load_experiment(tmp_path, synthetic_people, **common)
    pairs = load_experiment(tmp_path, synthetic_people, **common, train__accumulate=2)
    assert_same_weights(
        weights_after(single, tmp_path / "single"), weights_after(pairs, tmp_path / "pairs")
    )


@pytest.mark.parametrize(("wanted", "choose"), [("EPE", min), ("PCK", max), (None, max)])
def test_best_is_the_lowest_error_or_the_highest_precision(
    synthetic_people: Path, tmp_path: Path, wanted: str | None, choose: Any
) -> None:
    config = load_experiment(
        tmp_path,
        synthetic_people,
        train__epochs=5,
        train__save_best=wanted,
    )
    metrics = train_locally(config, tmp_path / "run")
    name = wanted or "PCK"
    values = [row[name] for row in history(tmp_path / "run")]
    assert len(set(values)) > 1, "a run whose metric never changes shows nothing"
    assert metrics[f"best/{name}"] == choose(values)
    assert metrics["best/epoch"] == 1 + values.index(choose(values))


def test_a_metric_that_is_not_measured_cannot_decide(
    synthetic_people: Path, tmp_path: Path
) -> None:
    config = load_experiment(
        tmp_path,
        synthetic_people,
        train__save_best="epe",
        train__epochs=1,
        metrics=[{"type": "EPE"}],
    )
    with pytest.raises(ConfigError, match=r"no metric is called 'epe'; there are EPE. Did you"):
        train_locally(config, tmp_path / "run")


def test_without_metrics_the_last_weights_are_kept(synthetic_people: Path, tmp_path: Path) -> None:
    config = load_experiment(tmp_path, synthetic_people, metrics=[], train__save_best="EPE")
    metrics = train_locally(config, tmp_path / "run")
    assert set(metrics) == {"epochs", "seconds", "samples/s"}
    assert (tmp_path / "run" / "last.pth").is_file()
    assert not (tmp_path / "run" / "best.pth").exists()


def test_a_loss_that_is_no_number_ends_the_run(synthetic_people: Path, tmp_path: Path) -> None:
    config = load_experiment(
        tmp_path, synthetic_people, optimizer={"type": "SGD", "lr": 1e9}, train__epochs=3
    )
    with pytest.raises(
        RayposeError, match=r"epoch \d, step \d: the loss is not finite for .*lower optimizer.lr"
    ):
        train_locally(config, tmp_path / "run")


def test_weights_to_start_from_may_be_of_another_head(
    synthetic_people: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    coco = load_experiment(tmp_path, synthetic_people, train__epochs=1)
    train_locally(coco, tmp_path / "coco")
    head = {**coco.data["model"]["head"], "out_channels": 1, "decoder": "${codec}"}
    one = load_experiment(
        tmp_path,
        synthetic_people,
        model__head=head,
        data_root=str(first_keypoints(synthetic_people, tmp_path / "data")),
        skeleton={"name": "one", "keypoints": ["nose"]},
        optimizer={"type": "SGD", "lr": 1e-12},
        train__epochs=1,
        train__load_from=str(tmp_path / "coco" / "last.pth"),
        data__train__dataset=dataset(tmp_path / "data", "train"),
        data__val__dataset=dataset(tmp_path / "data", "val"),
        metrics=[{"type": "EPE"}],
    )
    with caplog.at_level(logging.WARNING):
        train_locally(one, tmp_path / "one")
    assert "does not fit" in caplog.text
    assert "head.final_layer.weight" in caplog.text
    before, after = (weights_in(tmp_path / name / "last.pth") for name in ("coco", "one"))
    kept = [name for name in before if name.startswith("backbone")]
    assert kept
    for name in kept:
        torch.testing.assert_close(after[name], before[name])
    assert len(after["head.final_layer.weight"]) == 1


@pytest.mark.parametrize(("log_every", "lines"), [(100, ["2/2", "2/2"]), (1, ["1/2", "2/2"] * 2)])
def test_every_epoch_says_that_it_moves(
    synthetic_people: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    log_every: int,
    lines: list[str],
) -> None:
    size = len(json.loads((synthetic_people / "train.json").read_text())["annotations"])
    config = load_experiment(
        tmp_path,
        synthetic_people,
        train__epochs=2,
        train__batch_size=-(-size // 2),
        train__log_every=log_every,
    )
    with caplog.at_level(logging.INFO, "raypose"):
        train_locally(config, tmp_path / "run")
    steps = [r.getMessage().split("step ")[1].split()[0] for r in caplog.records if "step" in r.msg]
    assert steps == lines


def first_keypoints(data: Path, folder: Path) -> Path:
    """Write the same people with their first keypoint only."""
    folder.mkdir()
    (folder / "images").symlink_to(data / "images")
    for split in ("train", "val"):
        content = json.loads((data / f"{split}.json").read_text())
        for annotation in content["annotations"]:
            annotation["keypoints"] = annotation["keypoints"][:3]
        content["categories"] = [{"id": 1, "name": "person", "keypoints": ["nose"]}]
        (folder / f"{split}.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_lower_precision_trains_about_the_same(
    synthetic_people: Path, tmp_path: Path, amp: str
) -> None:
    config = load_experiment(tmp_path, synthetic_people, train__epochs=3)
    lower = load_experiment(tmp_path, synthetic_people, train__epochs=3, train__amp=amp)
    train_locally(config, tmp_path / "full")
    train_locally(lower, tmp_path / amp)
    losses, expected = ([row["loss"] for row in history(tmp_path / n)] for n in (amp, "full"))
    assert losses == pytest.approx(expected, rel=0.05)
    assert losses != expected


def test_a_checkpoint_of_another_model_cannot_be_resumed(
    synthetic_people: Path, tmp_path: Path
) -> None:
    config = load_experiment(tmp_path, synthetic_people, train__epochs=1)
    train_locally(config, tmp_path / "run")
    other = load_experiment(
        tmp_path, synthetic_people, model__backbone={"type": "TinyBackbone", "norm": True}
    )
    with pytest.raises(CheckpointError, match=r"cannot resume from .*last.pth, a run of another"):
        train_locally(other, tmp_path / "run", resume=True)


def test_the_dataset_weights_of_keypoints_reach_the_loss(
    synthetic_people: Path, tmp_path: Path
) -> None:
    names = [f"k{i}" for i in range(17)]
    skeleton = {"name": "weighted", "keypoints": names, "weights": [2.0] * 17}
    runs = {
        use: load_experiment(
            tmp_path,
            synthetic_people,
            skeleton=skeleton,
            train__use_dataset_keypoint_weights=use,
            train__epochs=1,
            metrics=[],
            data__train__pipeline=pipeline(augment=False),
            optimizer={"type": "SGD", "lr": 1e-12},
        )
        for use in (False, True)
    }
    for use, config in runs.items():
        train_locally(config, tmp_path / str(use))
    (plain,), (weighted,) = (history(tmp_path / str(use)) for use in (False, True))
    assert weighted["loss"] == pytest.approx(2 * plain["loss"], rel=1e-5)


def test_a_run_that_gets_no_better_ends(synthetic_people: Path, tmp_path: Path) -> None:
    config = load_experiment(
        tmp_path,
        synthetic_people,
        optimizer={"type": "SGD", "lr": 1e-12},
        train__epochs=9,
        train__val_interval=1,
        train__early_stop={"patience": 2},
    )
    metrics = train_locally(config, tmp_path / "run")
    # The first validation is the best one: whatever the second brings is no progress worth 1.
    assert metrics["epochs"] < 9
    wide = load_experiment(
        tmp_path,
        synthetic_people,
        train__epochs=4,
        train__val_interval=1,
        train__early_stop={"patience": 2, "min_delta": 1e6},
    )
    assert train_locally(wide, tmp_path / "wide")["epochs"] == 3


def test_frozen_parts_keep_weights_and_statistics(synthetic_people: Path, tmp_path: Path) -> None:
    config = load_experiment(tmp_path, synthetic_people, train__freeze=["backbone"])
    torch.manual_seed(config.train.seed)
    train_locally(config, tmp_path / "run")
    one = weights_in(tmp_path / "run" / "last.pth")
    longer = load_experiment(
        tmp_path, synthetic_people, train__freeze=["backbone"], train__epochs=4
    )
    other = weights_after(longer, tmp_path / "longer")
    changed = {name for name in one if not torch.equal(one[name], other[name])}
    assert changed
    assert not {name for name in changed if name.startswith("backbone")}
    wrong = load_experiment(tmp_path, synthetic_people, train__freeze=["backbon"])
    with pytest.raises(ConfigError, match=r"train.freeze.0.*'backbon'.*backbone"):
        train_locally(wrong, tmp_path / "wrong")


def test_the_log_has_each_step_once_after_a_resume(synthetic_people: Path, tmp_path: Path) -> None:
    config = load_experiment(
        tmp_path, synthetic_people, train__log_every=1, train__epochs=2, train__val_interval=1
    )
    train_locally(config, tmp_path / "run")
    rows = read_csv_log(tmp_path / "run" / "log.csv")
    longer = load_experiment(
        tmp_path, synthetic_people, train__log_every=1, train__epochs=3, train__val_interval=1
    )
    # What a run that was killed in its third epoch had noted after its last checkpoint.
    with (tmp_path / "run" / "log.csv").open("a", encoding="utf-8") as file:
        file.write(f"{int(rows[-1]['step']) + 1},3,99.0\n")
    train_locally(longer, tmp_path / "run", resume=True)
    after = read_csv_log(tmp_path / "run" / "log.csv")
    assert after[: len(rows)] == rows
    assert 99.0 not in {row.get("loss") for row in after}
    steps = [row["step"] for row in after if "lr" in row]
    assert steps == list(range(1, len(steps) + 1))
    assert [row["loss"] for row in after if "lr" in row][:2] != []


def test_a_broken_picture_is_replaced_and_counted(
    synthetic_people: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "people"
    shutil.copytree(synthetic_people, folder)
    broken = sorted((folder / "images" / "train").glob("*"))[0]
    broken.write_bytes(b"")
    stop = load_experiment(tmp_path, folder)
    with pytest.raises(DataError, match=broken.name):
        train_locally(stop, tmp_path / "stop")
    skip = load_experiment(tmp_path, folder, data__on_error="skip", train__epochs=1)
    with caplog.at_level(logging.WARNING, "raypose"):
        train_locally(skip, tmp_path / "skip")
    told = [line for line in caplog.messages if "stands in for" in line]
    assert told
    assert all(broken.name in line for line in told)
    assert history(tmp_path / "skip")[0]["replaced"] == len(told)
