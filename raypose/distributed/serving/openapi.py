"""The bodies of requests as the API documents them: they are read by hand, within limits."""

from __future__ import annotations

_IMAGE_BYTES = {"schema": {"type": "string", "format": "binary"}}
POSE_BODY = {
    "parameters": [
        {"name": name, "in": "query", "schema": {"type": "string"}, "description": text}
        for name, text in (
            ("boxes", "JSON list of [x0, y0, x1, y1]"),
            ("model", "a pose model of /v1/models"),
            ("format", "json, coco or overlay"),
        )
    ],
    "requestBody": {
        "required": True,
        "content": {
            "image/*": _IMAGE_BYTES,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": {"type": "array", "items": _IMAGE_BYTES["schema"]},
                        "boxes": {"type": "string"},
                        "model": {"type": "string"},
                        "format": {"type": "string"},
                    },
                }
            },
        },
    },
}
LIFT_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["sequences", "image_size"],
                    "properties": {
                        "image_size": {"type": "array", "items": {"type": "integer"}},
                        "sequences": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["keypoints"],
                                "properties": {
                                    "keypoints": {"type": "array"},
                                    "keypoint_scores": {"type": "array"},
                                },
                            },
                        },
                    },
                }
            }
        },
    }
}
