"""Files that put raypose on a cluster: a config of Ray Serve, KubeRay's RayService and RayJob."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import ray
import yaml

from raypose.config import Config, find_config, load_config, load_serve_config
from raypose.config.sections import ServeSection
from raypose.distributed.serving.app import NAME
from raypose.distributed.serving.container_paths import ContainerPaths, in_container
from raypose.distributed.serving.kubernetes import Cluster
from raypose.distributed.serving.proxy import environment
from raypose.distributed.serving.replicas import PodGroup, pods_for, with_own_cpus
from raypose.errors import ConfigError, RayposeError

_BUILDER = "raypose.distributed.serving.builder:application"
# Beside each training process: CPUs for the tasks of Ray Data that feed it, and memory.
_DATA_CPUS = 3
_TRAIN_MEMORY_GIB = 16


def serve_manifest(
    config: str, overrides: Sequence[str] = (), *, name: str = NAME, folder: str = "/models"
) -> str:
    """Return a config file of Ray Serve, for `serve deploy` on a cluster that runs.

    Args:
        config: a serve file, or the config of an experiment.
        overrides: `key.path=value`.
        name: of the application.
        folder: where the nodes of the cluster find the files that lie beside `config`.

    Raises:
        ConfigError: if the config cannot be used, holds a key, or names files outside of its
            folder.
    """
    section, paths = _served(config, overrides, folder)
    lines = [
        "Poses on a Ray cluster that runs. Each of its nodes has raypose installed.",
        *_files_lines(paths, f"Each has in {folder}"),
        *_key_lines(section),
        "Start or change it, then look at it:",
        "    serve deploy FILE -a http://HEAD:8265 && serve status -a http://HEAD:8265",
    ]
    return _text(lines, _serve_config(section, name, section.host))


def rayservice_manifest(
    config: str,
    overrides: Sequence[str] = (),
    *,
    image: str,
    name: str = NAME,
    folder: str = "/models",
) -> str:
    """Return a RayService of KubeRay, with pods for the replicas of the config.

    Args:
        config: a serve file, or the config of an experiment.
        overrides: `key.path=value`.
        image: container image with raypose and the Ray that this process runs.
        name: of the service.
        folder: where the volume with the files that lie beside `config` is mounted.

    Raises:
        ConfigError: see `serve_manifest`.
        RayposeError: if Kubernetes would not take the name.
    """
    section, paths = _served(config, overrides, folder)
    section = with_own_cpus(section)
    cluster = Cluster(
        name=_checked_name(name),
        image=image,
        folder=folder,
        variables=environment(section),
        secret_variable=section.api_key_env,
        serve_port=section.port,
    )
    # In a pod, loopback is out of reach of the service in front of it.
    serve_config = _serve_config(section, name, "0.0.0.0")
    content = {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": name},
        "spec": {
            "serveConfigV2": yaml.safe_dump(serve_config, sort_keys=False),
            "rayClusterConfig": cluster.to_spec(pods_for(section)),
        },
    }
    lines = [
        "Poses on Kubernetes, with KubeRay 1.6 or newer.",
        *_image_lines(cluster),
        *_files_lines(paths, f"The volume claim {cluster.volume} (ReadWriteMany) has"),
        *_secret_lines(cluster),
        "Start or change it, then reach it from here:",
        f"    kubectl apply -f FILE && kubectl get rayservice {name}",
        f"    kubectl port-forward service/{name}-serve-svc {section.port}",
    ]
    return _text(lines, content)


def rayjob_manifest(
    config: str,
    overrides: Sequence[str] = (),
    *,
    image: str,
    name: str = NAME,
    folder: str = "/shared",
    work_dir: str | None = None,
    command: str | None = None,
) -> str:
    """Return a RayJob of KubeRay that trains, on one pod for each worker of `cluster:`.

    Args:
        config: of the experiment.
        overrides: `key.path=value`.
        image: container image with raypose and the Ray that this process runs.
        name: of the job.
        folder: where the volume with the config and its data is mounted.
        work_dir: folder of the results, on that volume; `work_dirs/NAME` by default.
        command: what to run instead of the training.

    Raises:
        ConfigError: if the config cannot be used, trains without Ray, or asks for what a pod
            cannot be given.
        RayposeError: if `work_dir` is not on the volume, or Kubernetes would not take the name.
    """
    loaded = load_config(config, overrides)
    paths = _paths(config, folder)
    inside = paths.of(str(find_config(config)), "the config")
    if command is None:
        results = _on_volume(work_dir or f"{folder}/work_dirs/{Path(inside).stem}", folder)
        # What is tried again goes on from the last checkpoint.
        words = ["raypose", "train", inside, "--work-dir", results, "--resume", *overrides]
        command = shlex.join(words)
    elif work_dir is not None:
        raise RayposeError("--work-dir is of the training; name the folder in --command")
    cluster = Cluster(name=_checked_name(name), image=image, folder=folder)
    content = {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": name},
        "spec": {
            "entrypoint": command,
            "backoffLimit": 2,
            "shutdownAfterJobFinishes": True,
            "ttlSecondsAfterFinished": 600,
            "rayClusterSpec": cluster.to_spec([_workers(loaded)]),
        },
    }
    lines = [
        "A job on Kubernetes, with KubeRay 1.6 or newer.",
        *_image_lines(cluster),
        *_files_lines(paths, f"The volume claim {cluster.volume} (ReadWriteMany) has"),
        "Data and results are on it too: they stay when the cluster of the job goes.",
        "Start it, see it run, remove it:",
        f"    kubectl apply -f FILE && kubectl logs -f job/{name}",
        "    kubectl delete -f FILE",
    ]
    return _text(lines, content)


def _served(
    config: str, overrides: Sequence[str], folder: str
) -> tuple[ServeSection, ContainerPaths]:
    section = load_serve_config(config, overrides)
    if section.api_key is not None:
        raise ConfigError(
            "serve.api_key: a manifest is no place for a key; put the name of an environment "
            "variable into serve.api_key_env instead"
        )
    if section.port == 0:
        raise ConfigError("serve.port: 0 takes any free port; on a cluster it has to be known")
    paths = _paths(config, folder)
    return in_container(section, paths), paths


def _serve_config(section: ServeSection, name: str, host: str) -> dict[str, Any]:
    return {
        "proxy_location": "EveryNode",
        "http_options": {
            "host": host,
            "port": section.port,
            "request_timeout_s": section.request_timeout_s + 5,
        },
        "applications": [
            {
                "name": name,
                "route_prefix": "/",
                "import_path": _BUILDER,
                # Only what was said: sections tell it from defaults.
                "args": section.model_dump(mode="json", exclude_unset=True),
            }
        ],
    }


def _workers(config: Config) -> PodGroup:
    """Return a pod for each training process, with CPUs for those who load its data."""
    cluster, data = config.cluster, config.data_options
    if cluster.max_workers == 0:
        raise ConfigError(
            "cluster.num_workers: 0 trains without Ray; a job needs at least one worker, such as "
            "cluster.num_workers=4"
        )
    owned = dict(cluster.resources_per_worker)
    cpus = owned.pop("CPU", 1.0)
    # The cluster is made for the job, so there are enough GPUs unless it wants none.
    gpus = owned.pop("GPU", 0.0 if cluster.use_gpu is False else 1.0)
    if owned:
        raise ConfigError(
            f"cluster.resources_per_worker.{next(iter(owned))}: a pod is given CPU and GPU; add "
            "other resources to the manifest by hand"
        )
    return PodGroup(
        name="gpu" if gpus else "cpu",
        cpus=math.ceil(cpus) + (_DATA_CPUS if data.loader == "ray" else data.num_workers),
        gpus=math.ceil(gpus),
        memory_gib=_TRAIN_MEMORY_GIB,
        fewest=cluster.min_workers,
        most=cluster.max_workers,
    )


def _paths(config: str, folder: str) -> ContainerPaths:
    if not PurePosixPath(folder).is_absolute() or ".." in PurePosixPath(folder).parts:
        raise RayposeError(f"--folder: a full path in the container is expected, got '{folder}'")
    return ContainerPaths(find_config(config).parent, folder)


def _on_volume(path: str, folder: str) -> str:
    whole = PurePosixPath(folder) / path
    if not whole.is_relative_to(folder) or ".." in whole.parts:
        raise RayposeError(
            f"--work-dir: {path} is not below {folder}, the shared volume, and would be lost with "
            "the pod"
        )
    return str(whole)


def _checked_name(name: str) -> str:
    """Return a name that Kubernetes takes after KubeRay has added to it."""
    if re.fullmatch(r"[a-z]([a-z0-9-]{0,39}[a-z0-9])?", name) is None:
        raise RayposeError(
            f"--name: at most 41 lower-case letters, digits and '-' are expected, got '{name}'"
        )
    return name


def _image_lines(cluster: Cluster) -> list[str]:
    return [f"The image {cluster.image} has raypose and Ray {ray.__version__}."]


def _files_lines(paths: ContainerPaths, lead: str) -> list[str]:
    if not paths.files:
        return [f"{lead} room for downloaded weights."]
    return [f"{lead} these files, and what they name:", *(f"    {file}" for file in paths.files)]


def _key_lines(section: ServeSection) -> list[str]:
    if section.api_key_env is None:
        return []
    return [f"{section.api_key_env} is set before `ray start`, to the key requests must bring."]


def _secret_lines(cluster: Cluster) -> list[str]:
    if cluster.secret_variable is None:
        return []
    create = f"kubectl create secret generic {cluster.secret} --from-file=key=FILE_WITH_THE_KEY"
    return ["The key that requests must bring is in a secret:", f"    {create}"]


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as such, and repeats what two places hold."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def _text(lines: Sequence[str], content: dict[str, Any]) -> str:
    comments = "".join(f"# {line}".rstrip() + "\n" for line in lines)
    return comments + "\n" + yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=100)
