"""Pictures for people: poses drawn in 2D and 3D, heatmaps, contact sheets, charts and reports."""

from __future__ import annotations

from raypose.visualization.charts import Chart
from raypose.visualization.heatmaps import overlay_heatmaps
from raypose.visualization.poses import draw_poses
from raypose.visualization.poses3d import Viewpoint, draw_poses_3d
from raypose.visualization.report import Command, Example, Number, Report, Stage, write_report
from raypose.visualization.sheets import contact_sheet, fit_inside

__all__ = [
    "Chart",
    "Command",
    "Example",
    "Number",
    "Report",
    "Stage",
    "Viewpoint",
    "contact_sheet",
    "draw_poses",
    "draw_poses_3d",
    "fit_inside",
    "overlay_heatmaps",
    "write_report",
]
