"""Objects of KubeRay (`ray.io/v1`): the cluster that a service or a job gets, pod by pod."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray

from raypose.distributed.serving.replicas import PodGroup

_HEAD = {"cpu": "2", "memory": "8Gi"}
# KubeRay names the usual ones itself only where a container names none.
_HEAD_PORTS = {"gcs-server": 6379, "dashboard": 8265, "client": 10001}


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What all pods of a cluster have in common.

    Attributes:
        name: of the service or job; the volume claim and the secret are named after it.
        image: with raypose and the Ray that this process runs.
        folder: where the shared volume is mounted; pods work there, so relative paths mean the
            same on all of them.
        variables: environment of every process, beside where weights are kept.
        secret_variable: environment variable that holds the API key, if there is one.
        serve_port: port of a service.
    """

    name: str
    image: str
    folder: str
    variables: Mapping[str, str] = field(default_factory=dict)
    secret_variable: str | None = None
    serve_port: int | None = None

    @property
    def volume(self) -> str:
        """Return the name of the claim of the shared volume."""
        return f"{self.name}-files"

    @property
    def secret(self) -> str:
        """Return the name of the secret whose `key` is the API key."""
        return f"{self.name}-api-key"

    def to_spec(self, groups: Sequence[PodGroup]) -> dict[str, Any]:
        """Return the spec of a RayCluster; its head does no work of its own."""
        return {
            "rayVersion": ray.__version__,
            "authOptions": {"mode": "token"},
            "enableInTreeAutoscaling": any(group.most > group.fewest for group in groups),
            "headGroupSpec": {
                "rayStartParams": {"num-cpus": "0"},
                "template": self._pod("ray-head", _HEAD, _HEAD_PORTS),
            },
            "workerGroupSpecs": [self._workers(group) for group in groups],
        }

    def _workers(self, group: PodGroup) -> dict[str, Any]:
        resources = {"cpu": str(group.cpus), "memory": f"{group.memory_gib}Gi"}
        if group.gpus:
            resources["nvidia.com/gpu"] = str(group.gpus)
        template = self._pod("ray-worker", resources, {})
        if self.serve_port is not None:
            # Not on the head: KubeRay deploys nothing before the head is ready.
            template["spec"]["containers"][0]["readinessProbe"] = {
                "httpGet": {"path": "/healthz", "port": "serve"},
                "periodSeconds": 10,
                "timeoutSeconds": 5,
                "failureThreshold": 3,
            }
        if group.gpus:
            template["spec"]["tolerations"] = [{"key": "nvidia.com/gpu", "operator": "Exists"}]
        return {
            "groupName": group.name,
            "replicas": group.fewest,
            "minReplicas": group.fewest,
            "maxReplicas": group.most,
            "rayStartParams": {},
            "template": template,
        }

    def _pod(
        self, name: str, resources: Mapping[str, str], ports: Mapping[str, int]
    ) -> dict[str, Any]:
        if self.serve_port is not None:
            ports = {**ports, "serve": self.serve_port}
        container: dict[str, Any] = {
            "name": name,
            "image": self.image,
            "workingDir": self.folder,
            "env": self._environment(),
            "resources": {"requests": dict(resources), "limits": dict(resources)},
            "volumeMounts": [{"name": "files", "mountPath": self.folder}],
        }
        if ports:
            container["ports"] = [{"name": n, "containerPort": port} for n, port in ports.items()]
        claim = {"name": "files", "persistentVolumeClaim": {"claimName": self.volume}}
        return {"spec": {"containers": [container], "volumes": [claim]}}

    def _environment(self) -> list[dict[str, Any]]:
        values = {"RAYPOSE_WEIGHTS_DIR": f"{self.folder}/weights", **self.variables}
        variables: list[dict[str, Any]] = [
            {"name": name, "value": value} for name, value in values.items()
        ]
        if self.secret_variable is not None:
            reference = {"secretKeyRef": {"name": self.secret, "key": "key"}}
            variables.append({"name": self.secret_variable, "valueFrom": reference})
        return variables
