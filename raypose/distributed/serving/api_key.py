"""The key of a service, from the environment: so it stands in no file and in no log."""

from __future__ import annotations

import os

from raypose.config.sections import ServeSection
from raypose.errors import ConfigError


def with_api_key(section: ServeSection) -> ServeSection:
    """Return the section with the key that its `api_key_env` names, if it names one.

    Raises:
        ConfigError: if the environment has no such variable, or an empty one.
    """
    variable = section.api_key_env
    if variable is None:
        return section
    # Secrets that were made from a file end with its last line break.
    key = os.environ.get(variable, "").strip()
    if not key:
        state = "is empty" if variable in os.environ else "is not set"
        raise ConfigError(
            f"serve.api_key_env: the environment variable {variable} {state}; it holds the key "
            "that requests must bring, on every node where the application may be built"
        )
    return section.model_copy(update={"api_key": key, "api_key_env": None})
