"""SLEAP labels, `.slp` and `.pkg.slp`: HDF5 with tables of frames, instances and points.

Labels of people are read; predictions and suggested frames are left out.
Source of the format: sleap-io's documentation, "Formats: SLP".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from raypose.converters.checked import list_of, mapping_of
from raypose.converters.extras import BROKEN_HDF, require
from raypose.converters.formats import Format
from raypose.converters.labels import Instance, LabelledImage, LabelSet
from raypose.converters.pictures import save_pictures
from raypose.converters.skeleton_files import make_skeleton
from raypose.converters.sleap_videos import SleapVideo
from raypose.errors import DataError
from raypose.structures import Skeleton

_PURPOSE = "read and write SLEAP files"
_FORMAT = 1.2
# Before this format the middle of the first pixel was at 0.5.
_CENTERED = 1.1
_USER = 0
_EDGE, _SYMMETRY = 1, 2
_POINT = [("x", "f8"), ("y", "f8"), ("visible", "?"), ("complete", "?")]
_PREDICTED_POINT = [*_POINT, ("score", "f8")]
_INSTANCE = [
    ("instance_id", "i8"),
    ("instance_type", "u1"),
    ("frame_id", "u8"),
    ("skeleton", "u4"),
    ("track", "i4"),
    ("from_predicted", "i8"),
    ("score", "f4"),
    ("point_id_start", "u8"),
    ("point_id_end", "u8"),
    ("tracking_score", "f4"),
]
_FRAME = [
    ("frame_id", "u8"),
    ("video", "u4"),
    ("frame_idx", "u8"),
    ("instance_id_start", "u8"),
    ("instance_id_end", "u8"),
]
# What is read of each table.
_FIELDS = {
    "frames": ("video", "frame_idx", "instance_id_start", "instance_id_end"),
    "instances": ("instance_id", "instance_type", "track", "point_id_start", "point_id_end"),
    "points": ("x", "y", "visible"),
}


def read_sleap(source: Path, images: Path | None = None) -> LabelSet:
    """Read a labels file; embedded pictures, image files and frames of videos are its pictures.

    A keypoint with a place that is marked invisible is hidden.

    Args:
        source: the file, or a folder with one.
        images: folder of the videos and image files, where they are not where the file says or
            beside it.

    Raises:
        DataError: if the file is broken or a video is not there.
        RayposeError: if h5py is not installed.
    """
    h5py = require("h5py", _PURPOSE)
    source = _file_of(source)
    try:
        with h5py.File(source, "r") as file:
            missing = [name for name in ("metadata", *_FIELDS, "videos_json") if name not in file]
            if missing:
                raise DataError(f"{source}: not a SLEAP file, it has no {' and no '.join(missing)}")
            metadata = json.loads(_text(file["metadata"].attrs["json"]))
            version = float(file["metadata"].attrs.get("format_id", 1.0))
            tables = {name: file[name][()] for name in _FIELDS}
            described = [
                mapping_of(json.loads(_text(text)), f"{source}: videos_json.{number}")
                for number, text in enumerate(file["videos_json"][()])
            ]
            videos = [
                SleapVideo.of(source, video, file, images, number)
                for number, video in enumerate(described)
            ]
            names = [json.loads(_text(text)) for text in file.get("tracks_json", [])]
    except DataError:
        raise
    except BROKEN_HDF as error:
        raise DataError(f"{source}: not a SLEAP file: {error}") from error
    for name, fields in _FIELDS.items():
        lacking = [field for field in fields if field not in (tables[name].dtype.names or ())]
        if lacking:
            raise DataError(f"{source}: {name}: no field {' and no field '.join(lacking)}")
    metadata = mapping_of(metadata, f"{source}: metadata")
    skeletons = list_of(metadata.get("skeletons"), f"{source}: metadata.skeletons")
    if len(skeletons) != 1:
        raise DataError(
            f"{source}: metadata.skeletons: one skeleton expected, got {len(skeletons)}"
        )
    skeleton = _read_skeleton(metadata, source)
    tracks = [str(entry[1]) if isinstance(entry, list) else str(entry) for entry in names]
    by_number = {video.number: video for video in videos}
    shift = 0.5 if version < _CENTERED else 0.0
    labelled: list[LabelledImage] = []
    numbers, predicted = [], 0
    for frame in tables["frames"]:
        rows = tables["instances"][int(frame["instance_id_start"]) : int(frame["instance_id_end"])]
        user = [row for row in rows if row["instance_type"] == _USER]
        if not user:
            predicted += 1
            continue
        number, index = int(frame["video"]), int(frame["frame_idx"])
        if number not in by_number:
            raise DataError(f"{source}: frames: video {number}: there are {len(videos)} videos")
        video = by_number[number]
        numbers.append(number)
        labelled.append(
            LabelledImage(
                name=video.name_of(index),
                picture=video.picture(index),
                instances=[
                    _instance(row, tables["points"], skeleton, tracks, shift, source)
                    for row in user
                ],
                video=video.name,
                frame=index,
            )
        )
    # Videos of several folders may have one name.
    if len({image.name for image in labelled}) < len(labelled):
        labelled = [
            replace(image, name=f"video{number}/{image.name}", video=f"video{number}/{image.video}")
            for number, image in zip(numbers, labelled, strict=True)
        ]
    notes = [f"{predicted} frames without a person's labels"] if predicted else []
    return LabelSet(skeleton=skeleton, images=labelled, notes=notes)


def write_sleap(labels: LabelSet, out: Path, link: bool = False) -> None:
    """Write `labels.slp` and the pictures beside it, each folder of them a video of images.

    Args:
        labels: what to write.
        out: folder of the file.
        link: link to pictures that are files.

    Raises:
        DataError: if a picture cannot be read.
        RayposeError: if h5py is not installed.
    """
    h5py = require("h5py", _PURPOSE)
    folder = out / "images"
    folder.mkdir(parents=True, exist_ok=True)
    # A video of images has one size.
    members: dict[tuple[str, tuple[int, int]], list[LabelledImage]] = {}
    for image in labels.images:
        key = image.name.rpartition("/")[0], image.picture.size
        members.setdefault(key, []).append(image)
    tracks = labels.tracks()
    frames: list[tuple[int, ...]] = []
    instances: list[tuple[float, ...]] = []
    points: list[tuple[float, ...]] = []
    for video, images in enumerate(members.values()):
        for index, image in enumerate(images):
            start = len(instances)
            for each in image.instances:
                track = -1 if each.track is None else tracks.index(each.track)
                first, row = len(points), len(instances)
                points += [
                    (x, y, bool(seen == 2), False)
                    for (x, y), seen in zip(each.keypoints, each.visibility, strict=True)
                ]
                ends = first, len(points)
                instances.append((row, _USER, len(frames), 0, track, -1, 0.0, *ends, np.nan))
            frames.append((len(frames), video, index, start, len(instances)))
    videos = [
        _video_entry([folder / image.name for image in images], size)
        for (_, size), images in members.items()
    ]
    with h5py.File(out / "labels.slp", "w") as file:
        group = file.create_group("metadata")
        group.attrs["format_id"] = _FORMAT
        group.attrs["json"] = np.bytes_(json.dumps(_metadata(labels.skeleton)))
        file["frames"] = np.array(frames, _FRAME)
        file["instances"] = np.array(instances, _INSTANCE)
        file["points"] = np.array(points, _POINT)
        file["pred_points"] = np.array([], _PREDICTED_POINT)
        for name, entries in (
            ("videos_json", videos),
            ("tracks_json", [[0, track] for track in tracks]),
            ("suggestions_json", []),
        ):
            rows = [json.dumps(entry) for entry in entries]
            file.create_dataset(name, data=rows, dtype=h5py.string_dtype(), maxshape=(None,))
    save_pictures(((image.picture, folder / image.name) for image in labels.images), link)


def _instance(
    row: Any, points: Any, skeleton: Skeleton, tracks: list[str], shift: float, source: Path
) -> Instance:
    mine = points[int(row["point_id_start"]) : int(row["point_id_end"])]
    if len(mine) != skeleton.num_keypoints:
        raise DataError(
            f"{source}: instances: instance {row['instance_id']}: {skeleton.num_keypoints} points "
            f"expected, got {len(mine)}"
        )
    track = int(row["track"])
    if track >= len(tracks):
        raise DataError(
            f"{source}: instances: instance {row['instance_id']}: track {track}, there are "
            f"{len(tracks)} tracks"
        )
    return Instance.of(
        np.stack([mine["x"], mine["y"]], axis=1) - shift,
        skeleton.name,
        np.where(mine["visible"], 2, 1),
        track=tracks[track] if track >= 0 else None,
    )


def _read_skeleton(metadata: Mapping[str, Any], source: Path) -> Skeleton:
    """Return the skeleton; the kinds of its links are jsonpickle's: an object once, then its id."""
    entry = metadata["skeletons"][0]
    try:
        nodes = [str(node["name"]) for node in metadata["nodes"]]
        order = [_number(node["id"]) for node in entry["nodes"]]
        seen: list[int] = []
        pairs: dict[int, list[tuple[str, str]]] = {_EDGE: [], _SYMMETRY: []}
        for link in entry.get("links", []):
            kind = link.get("type", {})
            if "py/reduce" in kind:
                seen.append(int(kind["py/reduce"][1]["py/tuple"][0]))
                value = seen[-1]
            else:
                value = seen[int(kind["py/id"]) - 1] if "py/id" in kind else _EDGE
            ends = nodes[_number(link["source"])], nodes[_number(link["target"])]
            pairs[value].append(ends)
        names = [nodes[index] for index in order]
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(f"{source}: metadata.skeletons.0 is broken: {error!r}") from error
    partner = {a: b for one, other in pairs[_SYMMETRY] for a, b in ((one, other), (other, one))}
    name = (entry.get("graph") or {}).get("name") or "animal"
    return make_skeleton(str(name), names, source, links=pairs[_EDGE], swaps=partner)


def _metadata(skeleton: Skeleton) -> dict[str, Any]:
    """Return the skeleton as SLEAP has it."""
    names = skeleton.keypoint_names
    flips = [(i, j) for i, j in enumerate(skeleton.flip_indices) if i < j]
    links: list[dict[str, Any]] = []
    known: list[int] = []
    for kind, pairs in ((_EDGE, skeleton.links), (_SYMMETRY, flips)):
        for source, target in pairs:
            if kind in known:
                value: dict[str, Any] = {"py/id": known.index(kind) + 1}
            else:
                known.append(kind)
                made = [{"py/type": "sleap.skeleton.EdgeType"}, {"py/tuple": [kind]}]
                value = {"py/reduce": made}
            link: dict[str, Any] = {"key": 0, "source": source, "target": target, "type": value}
            if kind == _EDGE:
                link["edge_insert_idx"] = len(links)
            links.append(link)
    graph = {"name": skeleton.name, "num_edges_inserted": len(skeleton.links)}
    entry = {
        "directed": True,
        "graph": graph,
        "links": links,
        "multigraph": True,
        "nodes": [{"id": index} for index in range(len(names))],
    }
    return {
        "version": "2.0.0",
        "skeletons": [entry],
        "nodes": [{"name": name, "weight": 1.0} for name in names],
        "videos": [],
        "tracks": [],
        "suggestions": [],
        "negative_anchors": {},
        "provenance": {},
    }


def _video_entry(files: list[Path], size: tuple[int, int]) -> dict[str, Any]:
    names = [str(file.resolve()) for file in files]
    width, height = size
    return {
        "filename": names,
        "backend": {
            "type": "ImageVideo",
            "shape": [len(names), height, width, 3],
            "filename": names[0],
            "filenames": names,
            "grayscale": False,
        },
    }


def _number(value: Any) -> int:
    return int(value["id"] if isinstance(value, Mapping) else value)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _file_of(source: Path) -> Path:
    if not source.is_dir():
        return source
    files = sorted(source.glob("*.slp"))
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or "none"
        raise DataError(f"{source}: one .slp file in this folder expected, got {names}")
    return files[0]


def _recognises(source: Path) -> bool:
    return any(source.glob("*.slp")) if source.is_dir() else source.suffix == ".slp"


FORMAT = Format(
    name="sleap",
    title="SLEAP labels (.slp, .pkg.slp)",
    recognises=_recognises,
    read=read_sleap,
    write=write_sleap,
    keeps=frozenset({"hidden keypoints", "tracks"}),
)
