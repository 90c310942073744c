"""The application that a config file of Ray Serve names, built and deployed by a real Ray."""

from __future__ import annotations

import inspect
import os
import socket
import time
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
import torch
import yaml

from raypose.config import Config
from raypose.config.sections import PoseStageSection, ServeSection
from raypose.distributed.serving.api_key import with_api_key
from raypose.distributed.serving.builder import application
from raypose.distributed.serving.manifests import serve_manifest
from raypose.errors import ConfigError

PNG = cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1].tobytes()


@pytest.fixture(scope="module")
def weights(model: tuple[Config, Path]) -> Path:
    config, path = model
    saved = path.with_name("served.pth")
    content = torch.load(path, weights_only=True)
    torch.save({**content, "config": config.to_yaml()}, saved)
    return saved


def section(weights: Path, **pose: Any) -> ServeSection:
    stage = PoseStageSection(weights=str(weights), **pose)
    return ServeSection(pose=stage, api_key_env="RAYPOSE_TEST_KEY")


class TestKey:
    def test_comes_from_the_environment(
        self, weights: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("RAYPOSE_TEST_KEY", "abc\n")
        resolved = with_api_key(section(weights))
        assert (resolved.api_key, resolved.api_key_env) == ("abc", None)
        ServeSection.model_validate(resolved.model_dump(exclude_unset=True))

    @pytest.mark.parametrize(("value", "state"), [(None, "is not set"), ("\n", "is empty")])
    def test_no_key_lets_nobody_in(
        self, weights: Path, monkeypatch: pytest.MonkeyPatch, value: str | None, state: str
    ) -> None:
        monkeypatch.delenv("RAYPOSE_TEST_KEY", raising=False)
        if value is not None:
            monkeypatch.setenv("RAYPOSE_TEST_KEY", value)
        message = f"serve.api_key_env: the environment variable RAYPOSE_TEST_KEY {state}"
        with pytest.raises(ConfigError, match=message):
            with_api_key(section(weights))

    def test_is_not_asked_for_where_the_file_says_it(self) -> None:
        given = ServeSection(api_key="k")
        assert with_api_key(given) is given


def test_ray_can_read_what_it_takes() -> None:
    (parameter,) = inspect.signature(application).parameters.values()
    assert parameter.annotation is ServeSection


@pytest.mark.usefixtures("ray_session")
def test_nodes_may_come_later(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setenv("RAYPOSE_TEST_KEY", "k")
    assert ray.cluster_resources()["CPU"] < 100
    app = application(section(weights, num_cpus=50, num_replicas=2))
    assert app._bound_deployment.name == "ChainIngress"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("ray_session")
def test_a_manifest_is_served(weights: Path) -> None:
    """What `serve deploy FILE` does, without the dashboard that takes the file."""
    from ray import serve
    from ray.serve.context import _get_global_client
    from ray.serve.schema import ServeDeploySchema

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    serve_file = weights.with_name("serve.yaml")
    # Set on every node of this Ray: that of whoever started it.
    serve_file.write_text(f"port: {port}\napi_key_env: PATH\npose: {{weights: served.pth}}\n")
    text = serve_manifest(str(serve_file), folder=str(weights.parent))
    config = ServeDeploySchema.model_validate(yaml.safe_load(text))
    options = config.http_options
    serve.start(http_options={"host": options.host, "port": options.port})
    try:
        client = _get_global_client()
        assert client is not None
        client.deploy_apps(config)
        deadline = time.monotonic() + 200
        status = serve.status().applications["raypose"]
        while status.status in ("DEPLOYING", "NOT_STARTED") and time.monotonic() < deadline:
            time.sleep(0.5)
            status = serve.status().applications["raypose"]
        assert status.status == "RUNNING", status.message
        address = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{address}/healthz", timeout=60).status_code == 200
        assert httpx.post(f"{address}/v1/pose", content=PNG, timeout=60).status_code == 401
        key = {"Authorization": f"Bearer {os.environ['PATH'].strip()}"}
        answer = httpx.post(f"{address}/v1/pose", content=PNG, headers=key, timeout=60)
        assert answer.status_code == 200
        assert len(answer.json()["instances"]) == 1
    finally:
        serve.shutdown()
