"""A skeleton as the text of a YAML that people edit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from raypose.structures.skeleton import Skeleton


def skeleton_text(skeleton: Skeleton, comments: Sequence[str] = (), *, brief: bool = False) -> str:
    """Return the YAML of a skeleton, a line for each keypoint and each limb.

    Args:
        skeleton: what to write.
        comments: lines at the top.
        brief: leave out colours, and mirror partners that names tell by themselves.
    """
    definition = skeleton.to_dict()
    names = list(skeleton.keypoint_names)
    implied = Skeleton.load({"name": skeleton.name, "keypoints": names}).flip_indices
    left_out = {"weight"} if set(skeleton.keypoint_weights) == {1.0} else set[str]()
    left_out |= {"color"} if brief else set()
    lines = [f"# {comment}" for comment in comments]
    lines += [f"name: {_flow(skeleton.name)}", "keypoints:"]
    for index, entry in enumerate(definition["keypoints"]):
        partner = skeleton.flip_indices[index]
        told = partner == implied[index] and (brief or partner == index)
        hidden = left_out | {"swap"} if told else left_out
        kept = {key: value for key, value in entry.items() if key not in hidden}
        lines.append(f"  - {_flow(kept)}")
    links = [entry["link"] if brief else entry for entry in definition["links"]]
    lines.append("links:" if links else "links: []")
    lines += [f"  - {_flow(link)}" for link in links]
    return "\n".join(lines) + "\n"


def _flow(value: Any) -> str:
    """Return a value as YAML on one line."""
    text = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6
    )
    return text.removesuffix("\n").removesuffix("\n...")
