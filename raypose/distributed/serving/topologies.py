"""The two ways to place the stages: deployments of their own, or all in the ingress."""

from __future__ import annotations

from typing import Any

from ray import serve

from raypose.config.sections import ServeSection
from raypose.distributed.serving.chain import ChainStages
from raypose.distributed.serving.fused import FusedStages
from raypose.distributed.serving.ingress import Ingress
from raypose.distributed.serving.records import Description


@serve.ingress()
class ChainIngress(Ingress):
    """The ingress of the chain.

    Args:
        section: limits and what is served.
        about: what that is.
        pose: handle of the pose deployment.
        detector: handle of the detector, if there is one.
        lifter: handle of the lifter, if there is one.
    """

    def __init__(
        self, section: ServeSection, about: Description, pose: Any, detector: Any, lifter: Any
    ) -> None:
        super().__init__(section, about, ChainStages(about, pose, detector, lifter))

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take over limits."""
        self._section = updated(self._section, user_config)


@serve.ingress()
class FusedIngress(Ingress):
    """The ingress that holds the models itself.

    Args:
        section: limits and what is served.
        about: what that is.
    """

    def __init__(self, section: ServeSection, about: Description) -> None:
        self._fused = FusedStages(section, about)
        super().__init__(section, about, self._fused)

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take over limits, thresholds and the size of batches."""
        section = updated(self._section, user_config)
        await self._fused.reconfigure(section)
        self._section = section

    async def check_health(self) -> None:
        """Run the models, for Ray Serve to replace the replica if it fails."""
        await self._fused.check_health()


def updated(section: ServeSection, changes: dict[str, Any]) -> ServeSection:
    """Return the section with some keys changed, those of its stages among them."""
    merged = section.model_dump(exclude_unset=True)
    for key, value in changes.items():
        merged[key] = {**merged.get(key, {}), **value} if isinstance(value, dict) else value
    return ServeSection.model_validate(merged)
