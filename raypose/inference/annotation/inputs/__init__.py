"""What can be annotated: how it is found, cut into shards and read.

* `places`, `expand`: what a user names (folders, globs, files, lists) -> what is found there;
  `plan` cuts that into shards.
* `images`, `videos`, `archives`, `tables`: one kind of shard each.
* `lists`, `coco`: files that name pictures, with their boxes.
"""

from raypose.inference.annotation.inputs.archives import ArchiveShard
from raypose.inference.annotation.inputs.coco import read_boxes
from raypose.inference.annotation.inputs.frame_range import FrameRange
from raypose.inference.annotation.inputs.images import ImageShard
from raypose.inference.annotation.inputs.options import InputOptions
from raypose.inference.annotation.inputs.plan import plan_shards
from raypose.inference.annotation.inputs.tables import TableShard
from raypose.inference.annotation.inputs.videos import VideoShard

__all__ = [
    "ArchiveShard",
    "FrameRange",
    "ImageShard",
    "InputOptions",
    "TableShard",
    "VideoShard",
    "plan_shards",
    "read_boxes",
]
