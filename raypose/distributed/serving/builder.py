"""The application for a config file of Ray Serve: `import_path: raypose...builder:application`."""

from __future__ import annotations

from ray import serve

from raypose.config.sections import ServeSection
from raypose.distributed.serving.app import build_app
from raypose.distributed.serving.replicas import deployed
from raypose.distributed.session import ClusterSize


def application(args: ServeSection) -> serve.Application:
    """Bind the deployments of a section; Ray Serve calls this in a task of the cluster.

    Replicas may ask for more CPUs than there are now: a cluster that is declared starts nodes
    while this runs, and replicas wait for them.

    Args:
        args: a serve file as one section, with paths that every node knows. Its `host` and `port`
            are what `http_options` of the config file say.

    Raises:
        RayposeError: if a model cannot be loaded, models do not fit together, or the variable
            that `api_key_env` names is not set.
    """
    replicas = deployed(args).values()
    asked = sum(each.fewest_replicas * (each.num_cpus or 0.0) for each in replicas)
    return build_app(args, max(ClusterSize.current().cpus, asked))


# Ray checks the arguments by this annotation, and takes no name in place of the class.
application.__annotations__["args"] = ServeSection
