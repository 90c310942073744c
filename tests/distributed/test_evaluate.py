"""Evaluation on Ray: the numbers are those of one process, however it is spread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from raypose.config import Config, build_model
from raypose.distributed.evaluate import evaluate_checkpoint
from raypose.errors import CheckpointError, DataError
from raypose.training.checkpoint_evaluation import evaluate_locally
from tests.tiny_runs import load_experiment

METRICS = [{"type": "CocoMetric"}, {"type": "PCKAccuracy", "thr": 0.3}, {"type": "EPE"}]


def config_of(folder: Path, data: Path, **changes: Any) -> Config:
    return load_experiment(folder, data, metrics=METRICS, **changes)


@pytest.fixture(scope="module")
def checkpoint(synthetic_people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    model = build_model(config_of(folder, synthetic_people))
    torch.save({"state_dict": model.state_dict()}, folder / "weights.pth")
    return folder / "weights.pth"


@pytest.fixture
def alone(synthetic_people: Path, tmp_path: Path, checkpoint: Path) -> dict[str, float]:
    return evaluate_locally(config_of(tmp_path, synthetic_people), checkpoint).numbers


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize(("workers", "loader"), [(2, "local"), (0, "ray"), (2, "ray")])
def test_shares_are_measured_as_a_whole(
    synthetic_people: Path,
    tmp_path: Path,
    checkpoint: Path,
    alone: dict[str, float],
    workers: int,
    loader: str,
) -> None:
    config = config_of(
        tmp_path,
        synthetic_people,
        cluster={"num_workers": workers},
        data__loader=loader,
        # Batches that end anywhere but at the end of a share.
        train__val_batch_size=6,
    )
    found = evaluate_checkpoint(config, checkpoint)
    assert found.numbers == pytest.approx(alone, rel=1e-6)
    assert found.answers is not None
    positions = [answer.index for answer in found.answers]
    assert positions == list(range(len(positions))), "every sample once, none to fill up a batch"


@pytest.mark.usefixtures("ray_session")
def test_what_is_wrong_on_a_worker_is_told_as_it_is(
    synthetic_people: Path, tmp_path: Path, checkpoint: Path
) -> None:
    config = config_of(
        tmp_path,
        synthetic_people,
        cluster={"num_workers": 2},
        model__head__deconv_out_channels=[8],
        model__head__deconv_kernel_sizes=[4],
    )
    with pytest.raises(CheckpointError, match=r"weights\.pth"):
        evaluate_checkpoint(config, checkpoint)
    config = config_of(
        tmp_path,
        synthetic_people,
        cluster={"num_workers": 2},
        data__val__dataset__data_prefix={"img": "elsewhere/"},
    )
    with pytest.raises(DataError, match="elsewhere"):
        evaluate_checkpoint(config, checkpoint)


def test_a_config_that_only_evaluates_needs_no_training_set(
    synthetic_people: Path, tmp_path: Path, checkpoint: Path, alone: dict[str, float]
) -> None:
    config = config_of(tmp_path, synthetic_people)
    data = {**config.data, "data": {"loader": "local", "val": config.data["data"]["val"]}}
    found = evaluate_checkpoint(Config.from_resolved(data), checkpoint)
    assert found.numbers == pytest.approx(alone)


def test_no_checkpoint(synthetic_people: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoint at .*gone\.pth"):
        evaluate_checkpoint(config_of(tmp_path, synthetic_people), tmp_path / "gone.pth")
