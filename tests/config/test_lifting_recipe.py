"""The recipe that lifts windows: what trains is what is measured and streamed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from raypose.config import build_codec, build_dataset, build_model, build_pipeline, load_config
from raypose.ops.cameras import camera_to_pixel
from raypose.structures import PoseBatch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two clips of bodies near the origin, seen by one camera from 5 m away."""
    rng = np.random.default_rng(0)
    clip = np.repeat([0, 1], [30, 12])
    rotation = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float32)
    arrays = {
        "pose": rng.uniform(-0.8, 0.8, (len(clip), 17, 3)).astype(np.float32),
        "clip": clip,
        "cam_R": np.tile(rotation, (2, 1, 1, 1)),
        "cam_t": np.tile(np.array([0, 0, 5], np.float32), (2, 1, 1)),
        "cam_f": np.full((2, 1), 1150, np.float32),
        "clip_names": np.array(["cmu_walking_1", "cmu_jumping_2"]),
        "image_size": np.array([1000, 1000]),
    }
    arrays["pose"][:, 0] = 0
    for name in ("train", "val"):
        np.savez(tmp_path / f"{name}.npz", **arrays)
    return tmp_path


def test_training_windows_fit_those_of_validation(folder: Path) -> None:
    config = load_config("examples/mocap3d_temporal", [f"data_root={folder}"])
    codec, model = build_codec(config), build_model(config)
    assert codec is not None
    batches = {}
    for split in ("train", "val"):
        dataset, pipeline = build_dataset(config, split), build_pipeline(config, split)
        assert len(dataset) == 42
        samples = [pipeline(dataset[i], 0) for i in range(len(dataset))]
        for sample in samples:
            assert sample is not None
            assert sample.keypoints is not None
            assert sample.keypoints.shape == (9, 17, 2)
            assert "keypoints_3d" not in sample.meta
        batches[split] = PoseBatch.collate([s for s in samples if s is not None])
        encoded = codec.encode_batch(batches[split])
        assert model.forward(encoded.inputs).shape == (42, 17, 3)
    # Mirrored or not, from wherever it is seen: the target is the middle frame.
    train = batches["train"].annotations
    assert batches["train"].keypoints is not None
    for i, camera in enumerate(train["camera_param"]):
        seen = camera_to_pixel(train["lifting_target"][i, 0].numpy(), camera)
        middle = batches["train"].keypoints[i, 4].numpy()
        np.testing.assert_allclose(middle, seen, atol=0.05)
