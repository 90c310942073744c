"""Bodies that no honest client sends: damaged, lying, oversized and odd, drawn at random."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from tests.distributed.serving.conftest import encoded, scene


@dataclass(frozen=True)
class Attack:
    """A request.

    Attributes:
        kind: what is wrong with it.
        content: the body.
        path: where it goes, with the query.
        headers: beside those of every request.
    """

    kind: str
    content: bytes
    path: str = "/v1/pose"
    headers: dict[str, str] = field(default_factory=dict)


def draw(rng: random.Random) -> Attack:
    """Draw one of all kinds."""
    kind = rng.choice(list(_KINDS))
    drawn = _KINDS[kind](rng)
    return drawn if isinstance(drawn, Attack) else Attack(kind, drawn, headers=_content_type(rng))


def _content_type(rng: random.Random) -> dict[str, str]:
    types = ["image/jpeg", "image/png", "text/html", "application/json", "", "image/*; q=\xe9", "x"]
    return {"Content-Type": rng.choice(types)}


def _image(rng: random.Random) -> bytes:
    picture = np.random.default_rng(rng.getrandbits(32)).integers(0, 256, (40, 60, 3), np.uint8)
    return encoded(rng.choice([scene(), picture]), rng.choice([".jpg", ".png", ".webp", ".bmp"]))


def _cut(rng: random.Random) -> bytes:
    data = _image(rng)
    return data[: rng.randrange(len(data))]


def _cut_in_header(rng: random.Random) -> bytes:
    return _image(rng)[: rng.randrange(64)]


def _flipped(rng: random.Random) -> bytes:
    data = bytearray(_image(rng))
    for _ in range(rng.choice([1, 4, 64])):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def _noise_behind_header(rng: random.Random) -> bytes:
    return _image(rng)[: rng.choice([8, 16, 30, 64, 200])] + rng.randbytes(rng.choice([64, 50_000]))


def _noise(rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice([0, 1, 2, 100, 100_000]))


def _joined(rng: random.Random) -> bytes:
    return _image(rng) + _image(rng)


def _huge(rng: random.Random) -> bytes:
    return _image(rng) + b"\0" * rng.choice([1_000_000, 2_000_000])


def _other_size(rng: random.Random) -> bytes:
    """A header that lies about the size of what follows."""
    side = [0, 1, 7, 900, 60_000, 2**31 - 1, 2**32 - 1]
    width, height = rng.choice(side), rng.choice(side)
    suffix = rng.choice([".jpg", ".png", ".webp", ".bmp"])
    data = bytearray(encoded(scene(), suffix))
    if suffix == ".png":
        data[16:24] = struct.pack(">II", width, height)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    elif suffix == ".bmp":
        data[18:26] = struct.pack("<II", width, height)
    elif suffix == ".jpg":
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = struct.pack(">HH", height & 0xFFFF, width & 0xFFFF)
    else:
        data[26:30] = struct.pack("<HH", width & 0x3FFF, height & 0x3FFF)
    return bytes(data)


def _bomb(rng: random.Random) -> bytes:
    """Few bytes, many pixels: as many as are let through, and far more."""
    side = rng.choice([950, 5_000])
    image = np.zeros((side, side), np.uint8)
    return encoded(image, rng.choice([".png", ".jpg", ".webp"]))


def _two_headers(rng: random.Random) -> bytes:
    """A small size in front, a large one behind it."""
    small, large = encoded(scene(), ".jpg"), bytearray(encoded(scene(), ".jpg"))
    at = large.index(b"\xff\xc0")
    large[at + 5 : at + 9] = struct.pack(">HH", 60_000, 60_000)
    frame = small[small.index(b"\xff\xc0") :][:19]
    return bytes(large[:at]) + frame + bytes(large[at:])


def _odd_pixels(rng: random.Random) -> bytes:
    """Grey, alpha, 16 bits a channel, and four channels where three are expected."""
    values = np.random.default_rng(rng.getrandbits(32))
    kind = rng.choice(["grey", "alpha", "deep", "deep grey", "four"])
    if kind == "four":
        data = bytearray(encoded(scene(), ".jpg"))
        data[data.index(b"\xff\xc0") + 9] = 4
        return bytes(data)
    shape = (30, 40) if "grey" in kind else (30, 40, 4 if kind == "alpha" else 3)
    deep = "deep" in kind
    image = values.integers(0, 65_536 if deep else 256, shape, np.uint16 if deep else np.uint8)
    return encoded(image, ".png")


def _animated(rng: random.Random) -> bytes:
    if rng.random() < 0.3:
        return b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + rng.randbytes(100)
    animation = cv2.Animation()
    animation.frames = [scene() for _ in range(3)]
    animation.durations = [100] * 3
    suffix = rng.choice([".png", ".webp"])
    data = cv2.imencodeanimation(suffix, animation)[1].tobytes()
    return data if rng.random() < 0.5 else data[: rng.randrange(len(data))]


def _exif(rng: random.Random) -> bytes:
    """Metadata that says nothing sensible about how the picture lies."""
    jpeg = encoded(scene(), ".jpg")
    orientation = struct.pack("<HHIHH", 0x0112, 3, rng.choice([0, 1, 2**31]), rng.randrange(20), 0)
    entries = struct.pack("<H", rng.choice([1, 65_535])) + orientation
    offset = struct.pack("<I", rng.choice([8, 0, 2**32 - 1, 12]))
    content = b"Exif\0\0" + rng.choice([b"II*\0", b"MM\0*", b"XX"]) + offset + entries
    content += rng.randbytes(rng.choice([0, 40, 5_000]))
    length = rng.choice([len(content) + 2, 0, 1, 65_535])
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", length) + content + jpeg[2:]


def _json_text(rng: random.Random) -> str:
    return rng.choice(
        [
            "[" * 100_000,
            '{"a":' * 50_000,
            "[[1,2,3,4]" + ",[1,2,3,4]" * 2_000 + "]",
            "[[" + "9" * 10_000 + ",1,2,3]]",
            "[[1e999,0,1,1]]",
            '[["\\ud800",0,1,1]]',
            "nul",
            '"' + "x" * 10_000 + '"',
            "[null]",
            "{}",
            "[[true,false,{},[]]]",
            "\0",
            "[[NaN,Infinity,-Infinity,0]]",
        ]
    )


def _boxes(rng: random.Random) -> Attack:
    parts = [_part("boxes", _json_text(rng).encode()), _part("image", _image(rng), "a.png")]
    return _form("boxes", parts)


def _lift(rng: random.Random) -> Attack:
    text = _json_text(rng)
    wrapped = rng.choice(
        [
            text,
            f'{{"sequences": {text}, "image_size": [10, 10]}}',
            f'{{"sequences": [{{"keypoints": {text}}}], "image_size": [10, 10]}}',
            f'{{"sequences": [], "image_size": {text}}}',
        ]
    )
    return Attack("lift", wrapped.encode("utf-8", "surrogatepass"), "/v1/lift")


def _part(name: str, content: bytes, file: str | None = None, extra: str = "") -> bytes:
    named = f'form-data; name="{name}"' + (f'; filename="{file}"' if file else "")
    return f"Content-Disposition: {named}\r\n{extra}\r\n".encode() + content


def _form(kind: str, parts: list[bytes], boundary: str = "line") -> Attack:
    body = b"".join(b"--line\r\n" + part + b"\r\n" for part in parts) + b"--line--\r\n"
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return Attack(kind, body, headers=headers)


def _multipart(rng: random.Random) -> Attack:
    picture = _part("image", _image(rng), "a.png")
    nested = _form("", [picture])
    forms: list[Callable[[], Attack]] = [
        lambda: _form("many files", [picture] * 200),
        lambda: _form("many fields", [_part(f"f{i}", b"x") for i in range(5_000)]),
        lambda: _form("large field", [_part("boxes", b"[" * 200_000), picture]),
        lambda: _form("large name", [_part("x" * 200_000, b""), picture]),
        lambda: _form("many headers", [_part("image", b"", "a", "X-A: b\r\n" * 5_000)]),
        lambda: _form("other boundary", [picture], "other"),
        lambda: _form("no boundary", [picture], ""),
        lambda: _form("long boundary", [picture], "b" * 5_000),
        lambda: _form("no parts", []),
        lambda: _form("text as image", [_part("image", b"text")]),
        lambda: _form("file as text", [picture, _part("format", b"json", "a.txt")]),
        lambda: _form(
            "nested",
            [
                _part(
                    "image", nested.content, "a", "Content-Type: multipart/mixed; boundary=line\r\n"
                )
            ],
        ),
        lambda: Attack("cut form", _cut(rng), headers=nested.headers),
        lambda: Attack(
            "cut form", nested.content[: rng.randrange(len(nested.content))], headers=nested.headers
        ),
        lambda: Attack(
            "odd charset",
            nested.content,
            headers={"Content-Type": "multipart/form-data; boundary=line; charset=no-such"},
        ),
        lambda: Attack(
            "no boundary", nested.content, headers={"Content-Type": "multipart/form-data"}
        ),
    ]
    return rng.choice(forms)()


def _query(rng: random.Random) -> Attack:
    query = rng.choice(
        [
            "boxes=" + "%5B" * 10_000,
            "model=" + "x" * 30_000,
            "format=" + "%00" * 100,
            "format=%ff%fe",
            "&".join(f"k{i}=v" for i in range(3_000)),
            "boxes=%5B%5B1,2,3%5D%5D&boxes=7",
            "model=%F0%9F%90%8D",
            "=&=&&&;",
        ]
    )
    return Attack("query", encoded(scene()), f"/v1/pose?{query}")


def _header(rng: random.Random) -> Attack:
    headers = rng.choice(
        [
            {"X-Long": "x" * 30_000},
            {f"X-{i}": "y" for i in range(300)},
            {"X-Request-Id": "\xff\xfe"},
            {"X-Session-Id": "\xff"},
            {"serve_multiplexed_model_id": "no such \xff"},
            {"X-Request-Timeout-Seconds": rng.choice(["-1", "1e-9", "nan", "\xff"])},
            {"X-Request-Disconnect-Disabled": "\xff"},
            {"Authorization": "Bearer \xff" * 100},
            {"Expect": "100-continue"},
            {"Content-Encoding": "gzip"},
            {"Origin": "\xff"},
            {"Cookie": "a" * 20_000},
            {"Range": "bytes=0-1"},
        ]
    )
    return Attack(f"header {next(iter(headers))}", encoded(scene()), headers=headers)


_KINDS: dict[str, Callable[[random.Random], bytes | Attack]] = {
    "cut": _cut,
    "cut in header": _cut_in_header,
    "flipped": _flipped,
    "noise behind header": _noise_behind_header,
    "noise": _noise,
    "joined": _joined,
    "huge": _huge,
    "other size": _other_size,
    "bomb": _bomb,
    "two headers": _two_headers,
    "odd pixels": _odd_pixels,
    "animated": _animated,
    "exif": _exif,
    "boxes": _boxes,
    "lift": _lift,
    "multipart": _multipart,
    "query": _query,
    "header": _header,
}
