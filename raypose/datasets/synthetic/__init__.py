"""Synthetic people: pictures of articulated figures with COCO-17 keypoints, drawn with OpenCV."""

from __future__ import annotations

from raypose.datasets.synthetic.figure import KEYPOINTS
from raypose.datasets.synthetic.people import write_synthetic_people
from raypose.datasets.synthetic.scene import PersonTruth, Scene, render_scene

__all__ = ["KEYPOINTS", "PersonTruth", "Scene", "render_scene", "write_synthetic_people"]
