"""Contract 5: paradigms of one's own, optional parts, a pure forward, a state_dict of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed
from torch import Tensor, nn

from raypose.config import build_codec, build_dataset, build_model, build_pipeline
from raypose.errors import RayposeError
from raypose.models.estimators import BasePoseEstimator, TopdownPoseEstimator
from raypose.structures import PoseBatch
from raypose.training import TrainStep
from tests.extension.conftest import Load, Trained
from tests.extension.runs import losses, predict

CONFIGS = ["people", "wrapped", "grid"]


def test_a_paradigm_of_ones_own_trains_and_finds_several_people(
    trained: Trained, project: Path
) -> None:
    config, work_dir, metrics = trained("grid")
    assert losses(work_dir)[-1] < 0.7 * losses(work_dir)[0]
    assert metrics["Hits"] > 0.1
    estimator = build_model(config)
    assert isinstance(estimator, BasePoseEstimator)
    assert not isinstance(estimator, TopdownPoseEstimator)
    found = predict(work_dir, project, boxes=False)
    assert len(found) == 4
    assert all(len(poses) > 1 for poses in found)
    sizes = [sample.img_shape for sample in build_dataset(config, "val")]
    for poses, size in zip(found, sizes, strict=True):
        assert size is not None
        middles = poses.keypoints.mean(axis=1)
        # In image space: the input is 96 pixels, the images three times as large.
        assert middles.max() > 96
        assert ((middles > -48) & (middles < np.array([size[1], size[0]]) + 48)).all()


def test_neck_and_head_are_optional(load: Load) -> None:
    load("people")
    estimator = TopdownPoseEstimator({"type": "SmallNet", "widths": [4]})
    assert not estimator.with_neck
    assert not estimator.with_head
    (features,) = estimator(torch.zeros(1, 3, 8, 8))
    assert features.shape == (1, 4, 4, 4)
    with pytest.raises(RayposeError, match="this TopdownPoseEstimator was built without a head"):
        estimator.predict(PoseBatch(inputs=torch.zeros(1, 3, 8, 8)))


def test_a_neck_stands_between_backbone_and_head() -> None:
    class Doubled(nn.Module):
        def forward(self, feats: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return tuple(2 * feat for feat in feats)

    class Same(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, ...]:
            return (x,)

    estimator = TopdownPoseEstimator(Same(), neck=Doubled())
    assert estimator.with_neck
    assert estimator(torch.ones(1, 3, 2, 2))[0].eq(2).all()


@pytest.mark.parametrize("name", CONFIGS)
def test_forward_is_pure(load: Load, name: str) -> None:
    config = load(name)
    torch.manual_seed(0)
    estimator = build_model(config).eval()
    state = {key: value.clone() for key, value in estimator.state_dict().items()}
    w, h = config.data["codec"]["input_size"]
    images = torch.randn(2, 3, h, w)
    kept = images.clone()
    with torch.no_grad():
        expected = flat(estimator(images))
        exported = torch.export.export(estimator, (images,)).module()
        compiled = torch.compile(estimator, backend="eager", fullgraph=True)
        for function in (estimator, exported, compiled):
            for one, other in zip(flat(function(images)), expected, strict=True):
                assert torch.equal(one, other)
    assert torch.equal(images, kept)
    for key, value in estimator.state_dict().items():
        assert torch.equal(value, state[key]), key


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    """A group of this process alone, as a worker of Ray Train has one of all of them."""
    meeting = f"file://{tmp_path / 'meeting'}"
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.usefixtures("process_group")
def test_the_state_dict_under_ddp_is_the_estimators_own(load: Load, name: str) -> None:
    config = load(name)
    estimator = build_model(config)
    names = list(estimator.state_dict())
    before = {key: value.clone() for key, value in estimator.state_dict().items()}
    step = nn.parallel.DistributedDataParallel(TrainStep(estimator, build_codec(config)))
    dataset, pipeline = build_dataset(config, "train"), build_pipeline(config, "train")
    transformed = [pipeline(dataset[index], 0) for index in range(len(dataset))]
    batch = PoseBatch.collate([sample for sample in transformed if sample is not None][:4])
    optimizer = torch.optim.SGD(step.parameters(), lr=0.1)
    step(batch)["loss"].backward()
    optimizer.step()
    assert list(estimator.state_dict()) == names
    # The weights that DDP has trained, and all of them.
    for key, value in estimator.named_parameters():
        assert not torch.equal(value, before[key]), key
    build_model(config).load_state_dict(estimator.state_dict())


def flat(outputs: Tensor | tuple) -> list[Tensor]:
    """Return the tensors of a head's outputs."""
    if isinstance(outputs, Tensor):
        return [outputs]
    return [tensor for item in outputs for tensor in flat(item)]
