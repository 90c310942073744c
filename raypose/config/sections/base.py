"""`Section`: what every typed part of a config is."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Section(BaseModel):
    """A part of a config with known keys; unknown keys and wrong types are mistakes.

    Strict: `"3"` is no number and `1` is no truth value, but `1` is a float.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _auto_or_bool(value: Any) -> Any:
    if value == "auto" or isinstance(value, bool):
        return value
    raise ValueError("expected auto, true or false")


AutoOrBool = Annotated[Literal["auto"] | bool, BeforeValidator(_auto_or_bool)]
Backend = Literal["auto", "torch", "onnxruntime", "openvino"]
Count = Annotated[int, Field(ge=0)]
PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0)]
TypedMapping = dict[str, Any]
"""A mapping with `type`, checked against the registries."""
