"""Pictures for people: poses drawn in 2D and 3D, heatmaps, contact sheets, charts and reports."""

from __future__ import annotations

from raypose.visualization.case_views import views_of_case, views_of_case_3d
from raypose.visualization.charts import Chart
from raypose.visualization.gallery import Badge, Example, Gallery
from raypose.visualization.heatmaps import overlay_heatmaps
from raypose.visualization.histograms import Histogram
from raypose.visualization.poses import draw_poses
from raypose.visualization.poses3d import Viewpoint, draw_poses_3d
from raypose.visualization.report import Part, Report, write_report
from raypose.visualization.report_parts import (
    Charts,
    Command,
    Commands,
    Facts,
    Number,
    Numbers,
    Stage,
    Table,
    Timeline,
)
from raypose.visualization.sheets import contact_sheet, fit_inside

__all__ = [
    "Badge",
    "Chart",
    "Charts",
    "Command",
    "Commands",
    "Example",
    "Facts",
    "Gallery",
    "Histogram",
    "Number",
    "Numbers",
    "Part",
    "Report",
    "Stage",
    "Table",
    "Timeline",
    "Viewpoint",
    "contact_sheet",
    "draw_poses",
    "draw_poses_3d",
    "fit_inside",
    "overlay_heatmaps",
    "views_of_case",
    "views_of_case_3d",
    "write_report",
]
