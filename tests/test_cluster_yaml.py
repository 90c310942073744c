"""cluster.yaml is a file that `ray up` accepts, with the nodes and the defaults it promises.

Ray has no public dry run of its launcher. The two functions used here are what `ray up` calls
first; they are private, so a Ray release may move them, and these tests are where that shows.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config


@pytest.fixture(scope="module")
def cluster(repository: Path) -> dict[str, Any]:
    return yaml.safe_load((repository / "cluster.yaml").read_text())


@pytest.fixture(scope="module")
def prepared(cluster: dict[str, Any]) -> dict[str, Any]:
    return prepare_config(copy.deepcopy(cluster))


def test_ray_accepts_it(prepared: dict[str, Any]) -> None:
    validate_config(prepared)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("max_worker",), 3),
        (("docker", "imge"), "x"),
        (("available_node_types", "gpu_worker", "min_worker"), 1),
    ],
)
def test_ray_would_refuse_a_misspelt_key(
    cluster: dict[str, Any], path: tuple[str, ...], value: object
) -> None:
    broken = copy.deepcopy(cluster)
    node = broken
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError, match="Additional properties"):
        validate_config(prepare_config(broken))


def test_head_schedules_no_work(cluster: dict[str, Any]) -> None:
    head = cluster["available_node_types"][cluster["head_node_type"]]
    assert head["resources"]["CPU"] == 0


def test_workers_scale_from_nothing(cluster: dict[str, Any]) -> None:
    types = cluster["available_node_types"]
    workers = {name: node for name, node in types.items() if name != cluster["head_node_type"]}
    assert {node["labels"]["role"] for node in workers.values()} == {"gpu", "cpu"}
    for node in workers.values():
        assert node["min_workers"] == 0
        assert node["max_workers"] > 0
    assert sum(node["max_workers"] for node in workers.values()) <= cluster["max_workers"]


def test_only_gpu_workers_take_the_gpu_image(cluster: dict[str, Any]) -> None:
    gpu_image = cluster["available_node_types"]["gpu_worker"]["docker"]["worker_image"]
    assert gpu_image.endswith("-gpu")
    assert gpu_image.removesuffix("-gpu") == cluster["docker"]["image"].removesuffix("-cpu")


def test_nothing_listens_to_the_world(prepared: dict[str, Any]) -> None:
    start = " ".join(prepared["head_start_ray_commands"])
    assert "--dashboard-host=127.0.0.1" in start
    assert "0.0.0.0" not in start
    assert "--env=RAY_AUTH_MODE=token" in prepared["docker"]["run_options"]
    assert "~/.ray/auth_token" in prepared["file_mounts"]


def test_every_disk_is_encrypted_and_metadata_needs_a_token(cluster: dict[str, Any]) -> None:
    for node in cluster["available_node_types"].values():
        config = node["node_config"]
        assert all(disk["Ebs"]["Encrypted"] for disk in config["BlockDeviceMappings"])
        assert config["MetadataOptions"]["HttpTokens"] == "required"
