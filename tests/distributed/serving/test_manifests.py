"""What `raypose manifest` writes is taken by Ray Serve and KubeRay, and says what was asked.

There is no Kubernetes here: RayService and RayJob are held against `schemas/kuberay.json`, a
reduction of KubeRay's resource definitions that says where its fields are from.
"""

from __future__ import annotations

import copy
import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import yaml
from ray.serve.schema import ServeDeploySchema

from raypose.cli import main
from raypose.config import load_serve_config
from raypose.config.sections import PoseStageSection, ServeSection
from raypose.distributed.serving.manifests import (
    rayjob_manifest,
    rayservice_manifest,
    serve_manifest,
)
from raypose.distributed.serving.proxy import environment
from raypose.errors import ConfigError, RayposeError
from tests.tiny_runs import write_experiment

CONFIG = "td-hm_res50_8xb64-210e_coco-256x192"
SHIPPED = f"body_2d_keypoint/topdown_heatmap/coco/{CONFIG}"
SCHEMA = json.loads((Path(__file__).parent / "schemas" / "kuberay.json").read_text())
SERVE = f"""\
port: 9000
request_timeout_s: 12
api_key_env: POSE_KEY
pose:
  models:
    body: {{config: {CONFIG}, weights: weights/body.pth}}
    hand: {{weights: 'https://example.org/hand.pth'}}
  num_gpus: 0.5
  num_cpus: 1.5
  autoscaling: {{max_replicas: 5}}
detector: {{model: person.onnx, num_replicas: 6}}
lifter: {{config: lift.yaml, weights: lift.pth, num_cpus: 2}}
stream: {{tracking: {{smoothing: one_euro}}}}
"""

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a serve file; the files it may name are beside it."""
    for name in ("weights/body.pth", "person.onnx", "lift.yaml", "lift.pth", "pose.pth"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()

    def function(text: str) -> str:
        (tmp_path / "serve.yaml").write_text(text)
        return str(tmp_path / "serve.yaml")

    return function


@pytest.fixture
def experiment(synthetic_people: Path, tmp_path: Path) -> Path:
    return write_experiment(tmp_path, synthetic_people, cluster={"num_workers": 4})


def containers(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [group["template"]["spec"]["containers"][0] for group in groups]


class TestServe:
    def test_ray_reads_the_section_that_the_user_wrote(self, write: Write, tmp_path: Path) -> None:
        path = write(SERVE)
        text = serve_manifest(path, folder=str(tmp_path), name="lab")
        config = ServeDeploySchema.model_validate(yaml.safe_load(text))
        (app,) = config.applications
        assert (app.name, app.route_prefix) == ("lab", "/")
        assert app.import_path == "raypose.distributed.serving.builder:application"
        assert (config.http_options.host, config.http_options.port) == ("127.0.0.1", 9000)
        assert config.http_options.request_timeout_s == 17
        expected = load_serve_config(path).model_dump()
        # A config that comes with raypose lies elsewhere on another machine.
        expected["pose"]["models"]["body"]["config"] = SHIPPED
        assert ServeSection.model_validate(app.args).model_dump() == expected

    def test_files_move_below_the_folder_of_the_container(self, write: Write) -> None:
        text = serve_manifest(write(SERVE), folder="/mnt/poses")
        (app,) = yaml.safe_load(text)["applications"]
        args = app["args"]
        assert args["pose"]["models"] == {
            "body": {"config": SHIPPED, "weights": "/mnt/poses/weights/body.pth"},
            "hand": {"weights": "https://example.org/hand.pth"},
        }
        assert args["detector"]["model"] == "/mnt/poses/person.onnx"
        assert args["lifter"]["config"] == "/mnt/poses/lift.yaml"
        named = [line[6:] for line in text.splitlines() if line.startswith("#     ")]
        assert named[:4] == ["weights/body.pth", "lift.yaml", "lift.pth", "person.onnx"]
        assert "Each has in /mnt/poses these files" in text

    def test_listens_where_the_user_says(self, write: Write) -> None:
        text = serve_manifest(write("pose: {weights: pose.pth}"), ["host=0.0.0.0", "port=1234"])
        assert yaml.safe_load(text)["http_options"] == {
            "host": "0.0.0.0",
            "port": 1234,
            "request_timeout_s": 35,
        }

    def test_the_config_of_an_experiment(self, experiment: Path) -> None:
        (app,) = yaml.safe_load(serve_manifest(str(experiment)))["applications"]
        assert app["args"]["pose"]["config"] == f"/models/{experiment.name}"

    @pytest.mark.parametrize(
        ("text", "overrides", "reason"),
        [
            ("pose: {weights: pose.pth}\napi_key: k", [], "serve.api_key: a manifest is no place"),
            ("pose: {weights: pose.pth}\nport: 0", [], "serve.port: 0 takes any free port"),
            ("pose: {weights: pose.pth}\nprot: 1", [], "Did you mean 'port'"),
            ("pose: {weights: pse.pth}", [], "Did you mean 'pose.pth'"),
        ],
    )
    def test_mistakes(self, write: Write, text: str, overrides: list[str], reason: str) -> None:
        with pytest.raises(ConfigError, match=reason):
            serve_manifest(write(text), overrides)

    def test_every_file_elsewhere_is_told(self, write: Write, tmp_path: Path) -> None:
        path = write("pose: {weights: pose.pth}\ndetector: {model: person.onnx}")
        inner = tmp_path / "inner"
        inner.mkdir()
        text = Path(path).read_text().replace("pose.pth", "../pose.pth")
        (inner / "serve.yaml").write_text(text.replace("person.onnx", "../person.onnx"))
        with pytest.raises(ConfigError) as caught:
            serve_manifest(str(inner / "serve.yaml"))
        assert [problem.split(" lies outside of ")[0] for problem in caught.value.problems] == [
            f"serve.pose.weights: {tmp_path / 'pose.pth'}",
            f"serve.detector.model: {tmp_path / 'person.onnx'}",
        ]
        assert "move the file into it" in str(caught.value)


class TestRayService:
    def test_what_kuberay_takes(self, write: Write) -> None:
        text = rayservice_manifest(write(SERVE), image="lab/raypose:1", name="lab")
        content = yaml.safe_load(text)
        jsonschema.validate(content, SCHEMA)
        cluster = content["spec"]["rayClusterConfig"]
        assert cluster["rayVersion"] == ray.__version__
        assert cluster["headGroupSpec"]["rayStartParams"] == {"num-cpus": "0"}
        assert {c["image"] for c in containers(cluster)} == {"lab/raypose:1"}
        assert "  serveConfigV2: |\n    proxy_location: EveryNode\n" in text

    def test_pods_hold_the_replicas(self, write: Write) -> None:
        content = yaml.safe_load(rayservice_manifest(write(SERVE), image="i"))
        cluster = content["spec"]["rayClusterConfig"]
        assert cluster["enableInTreeAutoscaling"] is True
        sizes = {
            group["groupName"]: (group["replicas"], group["minReplicas"], group["maxReplicas"])
            for group in cluster["workerGroupSpecs"]
        }
        # Two replicas share a GPU: 1 to 5 pose replicas. Two replicas of up to 2 CPUs fill a pod
        # of 4: six detectors and a lifter.
        assert sizes == {"gpu": (1, 1, 3), "cpu": (4, 4, 4)}
        gpu, cpu = (c["resources"] for c in containers(cluster)[1:])
        assert gpu["requests"] == {"cpu": "3", "memory": "8Gi", "nvidia.com/gpu": "1"}
        assert cpu["requests"] == {"cpu": "4", "memory": "8Gi"}
        assert gpu["limits"] == gpu["requests"]

    def test_replicas_take_no_share_of_a_cluster_that_is_not_there_yet(self, write: Write) -> None:
        content = yaml.safe_load(rayservice_manifest(write(SERVE), image="i"))
        (app,) = yaml.safe_load(content["spec"]["serveConfigV2"])["applications"]
        section = ServeSection.model_validate(app["args"])
        assert section.detector is not None
        assert section.lifter is not None
        cpus = [stage.num_cpus for stage in (section.detector, section.pose, section.lifter)]
        assert cpus == [1.0, 1.5, 2.0]

    def test_one_small_replica(self, write: Write) -> None:
        content = yaml.safe_load(rayservice_manifest(write("pose: {weights: pose.pth}"), image="i"))
        jsonschema.validate(content, SCHEMA)
        cluster = content["spec"]["rayClusterConfig"]
        assert cluster["enableInTreeAutoscaling"] is False
        (group,) = cluster["workerGroupSpecs"]
        assert (group["groupName"], group["minReplicas"], group["maxReplicas"]) == ("cpu", 1, 1)
        assert containers(cluster)[1]["resources"]["limits"] == {"cpu": "1", "memory": "5Gi"}
        expected = environment(ServeSection(pose=PoseStageSection(weights="pose.pth")))
        found = {v["name"]: v["value"] for v in containers(cluster)[1]["env"]}
        assert found == {"RAYPOSE_WEIGHTS_DIR": "/models/weights", **expected}

    def test_fused_replicas_are_those_of_pose(self, write: Write) -> None:
        text = (
            "topology: fused\npose: {weights: pose.pth, num_gpus: 2, num_cpus: 6, num_replicas: 2}"
            "\ndetector: {model: person.onnx}"
        )
        content = yaml.safe_load(rayservice_manifest(write(text), image="i"))
        cluster = content["spec"]["rayClusterConfig"]
        (group,) = cluster["workerGroupSpecs"]
        assert (group["groupName"], group["maxReplicas"]) == ("gpu", 2)
        limits = containers(cluster)[1]["resources"]["limits"]
        assert limits == {"cpu": "6", "memory": "5Gi", "nvidia.com/gpu": "2"}

    def test_pods_are_reached_and_ready_when_every_stage_answers(self, write: Write) -> None:
        content = yaml.safe_load(rayservice_manifest(write(SERVE), image="i", folder="/m"))
        head, *workers = containers(content["spec"]["rayClusterConfig"])
        assert yaml.safe_load(content["spec"]["serveConfigV2"])["http_options"]["host"] == "0.0.0.0"
        # KubeRay deploys once the head is ready: a probe there would wait for itself.
        assert "readinessProbe" not in head
        for worker in workers:
            assert worker["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": "serve"}
        for container in (head, *workers):
            assert {"name": "serve", "containerPort": 9000} in container["ports"]
            assert container["volumeMounts"] == [{"name": "files", "mountPath": "/m"}]
            assert {"name": "RAYPOSE_WEIGHTS_DIR", "value": "/m/weights"} in container["env"]
        names = {port["name"] for port in head["ports"]}
        assert names == {"gcs-server", "dashboard", "client", "serve"}

    def test_the_key_is_in_a_secret(self, write: Write) -> None:
        text = rayservice_manifest(write(SERVE), image="i", name="lab")
        reference = {"secretKeyRef": {"name": "lab-api-key", "key": "key"}}
        for container in containers(yaml.safe_load(text)["spec"]["rayClusterConfig"]):
            assert {"name": "POSE_KEY", "valueFrom": reference} in container["env"]
        assert "kubectl create secret generic lab-api-key --from-file=key=" in text

    @pytest.mark.parametrize("name", ["Lab", "lab_1", "1lab", "lab-", "l" * 42])
    def test_names_that_kubernetes_refuses(self, write: Write, name: str) -> None:
        with pytest.raises(RayposeError, match="--name: at most 41"):
            rayservice_manifest(write("pose: {weights: pose.pth}"), image="i", name=name)

    def test_no_replica_owns_anything(self, write: Write) -> None:
        with pytest.raises(ConfigError, match="no stage asks for CPUs or GPUs"):
            rayservice_manifest(write("pose: {weights: pose.pth, num_cpus: 0}"), image="i")


class TestRayJob:
    def test_trains_on_a_pod_for_each_worker(self, experiment: Path) -> None:
        content = yaml.safe_load(
            rayjob_manifest(
                str(experiment),
                ["train.epochs=2", "data.num_workers=2", "cluster.resources_per_worker={CPU: 1.5}"],
                image="i",
                work_dir="runs/mouse",
            )
        )
        jsonschema.validate(content, SCHEMA)
        spec = content["spec"]
        assert shlex.split(spec["entrypoint"]) == [
            "raypose",
            "train",
            f"/shared/{experiment.name}",
            "--work-dir",
            "/shared/runs/mouse",
            "--resume",
            "train.epochs=2",
            "data.num_workers=2",
            "cluster.resources_per_worker={CPU: 1.5}",
        ]
        assert spec["shutdownAfterJobFinishes"] is True
        assert spec["ttlSecondsAfterFinished"] > 0
        cluster = spec["rayClusterSpec"]
        assert cluster["enableInTreeAutoscaling"] is False
        (group,) = cluster["workerGroupSpecs"]
        assert (group["groupName"], group["replicas"], group["maxReplicas"]) == ("gpu", 4, 4)
        head, worker = containers(cluster)
        limits = worker["resources"]["limits"]
        assert limits == {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": "1"}
        for container in (head, worker):
            assert container["workingDir"] == "/shared"
            assert "readinessProbe" not in container
        volumes = group["template"]["spec"]["volumes"]
        assert volumes[0]["persistentVolumeClaim"] == {"claimName": "raypose-files"}

    def test_pods_follow_a_range_of_workers(self, experiment: Path) -> None:
        overrides = ["cluster.num_workers=[2, 6]"]
        content = yaml.safe_load(rayjob_manifest(str(experiment), overrides, image="i"))
        jsonschema.validate(content, SCHEMA)
        assert shlex.split(content["spec"]["entrypoint"])[-1] == overrides[0]
        cluster = content["spec"]["rayClusterSpec"]
        assert cluster["enableInTreeAutoscaling"] is True
        (group,) = cluster["workerGroupSpecs"]
        sizes = (group["replicas"], group["minReplicas"], group["maxReplicas"])
        assert sizes == (2, 2, 6)

    def test_words_with_blanks_stay_whole(self, experiment: Path) -> None:
        overrides = ["data_root=a folder"]
        content = yaml.safe_load(rayjob_manifest(str(experiment), overrides, image="i"))
        assert shlex.split(content["spec"]["entrypoint"])[-1] == "data_root=a folder"

    def test_without_gpus(self, experiment: Path) -> None:
        overrides = ["cluster.use_gpu=false", "data.loader=ray"]
        content = yaml.safe_load(rayjob_manifest(str(experiment), overrides, image="i"))
        cluster = content["spec"]["rayClusterSpec"]
        assert cluster["workerGroupSpecs"][0]["groupName"] == "cpu"
        # One CPU trains, three feed it: Ray Data needs one at least.
        assert containers(cluster)[1]["resources"]["limits"] == {"cpu": "4", "memory": "16Gi"}

    def test_another_command_on_the_same_pods(self, experiment: Path) -> None:
        command = "raypose annotate /shared/pictures --pose /shared/best.pth --out /shared/poses"
        text = rayjob_manifest(str(experiment), image="i", command=command)
        content = yaml.safe_load(text)
        jsonschema.validate(content, SCHEMA)
        assert content["spec"]["entrypoint"] == command

    def test_a_config_that_comes_with_raypose(self) -> None:
        text = rayjob_manifest("examples/openfield", ["cluster.num_workers=2"], image="i")
        words = shlex.split(yaml.safe_load(text)["spec"]["entrypoint"])
        assert words[2:5] == ["examples/openfield", "--work-dir", "/shared/work_dirs/openfield"]

    @pytest.mark.parametrize(
        ("overrides", "options", "reason"),
        [
            (["cluster.num_workers=0"], {}, "cluster.num_workers: 0 trains without Ray"),
            (
                ["cluster.resources_per_worker={tpu: 1}"],
                {},
                "cluster.resources_per_worker.tpu: a pod is given CPU and GPU",
            ),
            ([], {"work_dir": "/scratch/run"}, "--work-dir: /scratch/run is not below /shared"),
            ([], {"work_dir": "../run"}, "--work-dir: ../run is not below /shared"),
            ([], {"work_dir": "run", "command": "true"}, "--work-dir is of the training"),
            ([], {"folder": "shared"}, "--folder: a full path in the container is expected"),
        ],
    )
    def test_mistakes(
        self, experiment: Path, overrides: list[str], options: dict[str, str], reason: str
    ) -> None:
        with pytest.raises(RayposeError, match=reason):
            rayjob_manifest(str(experiment), overrides, image="i", **options)


def mappings(content: Any) -> Iterator[dict[str, Any]]:
    """Give every mapping of some content whose keys are not free."""
    if isinstance(content, list):
        for each in content:
            yield from mappings(each)
    elif isinstance(content, dict):
        yield content
        for key, value in content.items():
            if key not in ("requests", "limits", "rayStartParams"):
                yield from mappings(value)


@pytest.mark.parametrize("kind", ["rayservice", "rayjob"])
def test_the_schema_lets_no_other_key_through(write: Write, experiment: Path, kind: str) -> None:
    if kind == "rayservice":
        text = rayservice_manifest(write(SERVE), image="i")
    else:
        text = rayjob_manifest(str(experiment), image="i")
    content = yaml.safe_load(text)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    count = len(list(mappings(content)))
    assert count > 20
    for i in range(count):
        broken = copy.deepcopy(content)
        list(mappings(broken))[i]["replcas"] = 1
        assert not validator.is_valid(broken), list(mappings(content))[i]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("apiVersion",), "ray.io/v2"),
        (("spec", "serveConfigV2"), {"applications": []}),
        (("spec", "rayClusterConfig", "workerGroupSpecs", 0, "minReplicas"), -1),
        (("spec", "rayClusterConfig", "workerGroupSpecs", 0, "groupName"), "GPU"),
        (("spec", "rayClusterConfig", "headGroupSpec", "rayStartParams", "num-cpus"), 0),
    ],
)
def test_the_schema_refuses_wrong_values(write: Write, path: tuple[Any, ...], value: Any) -> None:
    content = yaml.safe_load(rayservice_manifest(write(SERVE), image="i"))
    node = content
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, SCHEMA)


class TestCommand:
    def test_prints_or_writes(
        self, write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path, out = write("pose: {weights: pose.pth}"), tmp_path / "new" / "deploy.yaml"
        assert main(["manifest", "serve", path, "port=9001", "--folder", "/m"]) == 0
        printed = capsys.readouterr().out
        assert printed == serve_manifest(path, ["port=9001"], folder="/m")
        assert main(["manifest", "serve", path, "-o", str(out), "port=9001", "--folder", "/m"]) == 0
        assert out.read_text() == printed
        assert not capsys.readouterr().out

    def test_objects_of_kuberay(
        self, write: Write, experiment: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        line = ["--image", "i", "--name", "lab"]
        assert main(["manifest", "rayservice", write("pose: {weights: pose.pth}"), *line]) == 0
        service = yaml.safe_load(capsys.readouterr().out)
        assert (service["kind"], service["metadata"]) == ("RayService", {"name": "lab"})
        line += ["--work-dir", "/shared/run"]
        assert main(["manifest", "rayjob", str(experiment), *line]) == 0
        job = yaml.safe_load(capsys.readouterr().out)
        assert job["kind"] == "RayJob"
        assert " --work-dir /shared/run " in job["spec"]["entrypoint"]

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("rayservice {file}", "--image: a rayservice needs an image that has raypose"),
            ("serve {file} --image i", "--image: a manifest of the kind serve has no use for it"),
            ("rayservice {file} --image i --command c", "--command: a manifest of the kind"),
            ("serve {file} api_key=k", "serve.api_key: a manifest is no place for a key"),
            ("serve {file}x", "there is no config"),
        ],
    )
    def test_mistakes_are_told_without_a_trace(
        self, write: Write, line: str, reason: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = write("pose: {weights: pose.pth}")
        assert main(["manifest", *line.format(file=path).split()]) == 2
        captured = capsys.readouterr()
        assert reason in captured.err
        assert "Traceback" not in captured.err
        assert not captured.out
