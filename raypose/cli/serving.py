"""The commands `raypose serve` and `raypose manifest`."""

from __future__ import annotations

import argparse
import queue
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from raypose.cli.commands import AddCommand, add_config
from raypose.cli.output import write_text
from raypose.errors import RayposeError


def add_serving_commands(command: AddCommand) -> None:
    """Add `serve` and `manifest` to the commands of `raypose`."""
    serve = command("serve", _serve, "Answer POST /v1/pose with the models of a serve file.")
    add_config(serve)

    manifest = command("manifest", _manifest, "Write the file that serves or trains on a cluster.")
    manifest.add_argument(
        "kind",
        choices=("serve", "rayservice", "rayjob"),
        help="config of Ray Serve, or an object of KubeRay",
    )
    add_config(manifest)
    manifest.add_argument("-o", "--out", type=Path, help="YAML to write (standard output)")
    manifest.add_argument("--image", help="container image with raypose (rayservice, rayjob)")
    manifest.add_argument("--name", help="of the application, service or job (raypose)")
    manifest.add_argument(
        "--folder", help="where the config's folder is on the cluster (/models; rayjob: /shared)"
    )
    manifest.add_argument("--work-dir", help="folder of the results (rayjob)")
    manifest.add_argument("--command", help="what to run instead of the training (rayjob)")


def _serve(options: argparse.Namespace) -> None:
    from raypose.config import load_serve_config
    from raypose.distributed.serving import run, stop
    from raypose.distributed.session import ray_session

    section = load_serve_config(options.config, options.overrides)
    asked: queue.SimpleQueue[int] = queue.SimpleQueue()
    with ray_session():
        run(section)
        # Not before: Ray, once started, has handlers of its own.
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            if hasattr(signal, name):  # Windows has no SIGHUP
                signal.signal(getattr(signal, name), lambda number, _: asked.put(number))
        print(f"serving on http://{section.host}:{section.port}/v1/pose", flush=True)
        while asked.get() == getattr(signal, "SIGHUP", None):
            _reload(options, run)
        stop()


def _reload(options: argparse.Namespace, run: Callable[[Any], None]) -> None:
    """Read the serve file again; what is wrong with it leaves the service as it is."""
    from raypose.config import load_serve_config

    try:
        run(load_serve_config(options.config, options.overrides))
    except RayposeError as error:
        print(f"not reloaded: {error}", file=sys.stderr, flush=True)
    else:
        print(f"reloaded {options.config}", flush=True)


def _manifest(options: argparse.Namespace) -> None:
    from raypose.distributed.serving import manifests

    taken = {"name", "folder"}
    if options.kind != "serve":
        taken.add("image")
        if options.image is None:
            raise RayposeError(f"--image: a {options.kind} needs an image that has raypose")
    if options.kind == "rayjob":
        taken |= {"work_dir", "command"}
    words = ("name", "folder", "image", "work_dir", "command")
    given = {word: getattr(options, word) for word in words if getattr(options, word) is not None}
    for word in sorted(given.keys() - taken):
        option = word.replace("_", "-")
        raise RayposeError(f"--{option}: a manifest of the kind {options.kind} has no use for it")
    write = getattr(manifests, f"{options.kind}_manifest")
    write_text(write(options.config, options.overrides, **given), options.out)
