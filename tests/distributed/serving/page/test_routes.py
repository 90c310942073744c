"""The files of the page over HTTP, without a browser."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import pytest

from tests.distributed.serving.page.fake_server import FakeServer, served

FOLDER = Path("raypose/distributed/serving/page")


@dataclass
class Answer:
    status_code: int
    headers: http.client.HTTPMessage
    content: bytes


@dataclass
class Client:
    """Asks for paths as they are written: other clients tidy them before they are sent."""

    place: str

    def get(self, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> Answer:
        connection = http.client.HTTPConnection(self.place, timeout=10)
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return Answer(answer.status, answer.headers, content)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with served(FakeServer({}, {})) as server:
        yield Client(urlsplit(server.url).netloc)


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/page/main.js", "text/javascript; charset=utf-8"),
        ("/page/style.css", "text/css; charset=utf-8"),
        ("/page/icon.svg", "image/svg+xml"),
        ("/page/samples/park.jpg", "image/jpeg"),
    ],
)
def test_files_have_their_media_types_on_every_system(
    client: Client, path: str, media_type: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get(path, method="HEAD").headers["content-length"] == str(len(answer.content))


def test_every_file_of_the_folder_is_served_as_it_is(client: Client, repository: Path) -> None:
    folder = repository / FOLDER
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 12
    for path in files:
        answer = client.get(f"/page/{path.relative_to(folder).as_posix()}")
        assert answer.content == path.read_bytes(), path


def test_policy_lets_the_page_reach_its_own_server_only(client: Client) -> None:
    policy = client.get("/").headers["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert rules["img-src"] == "'self' blob: data:"


def test_no_file_names_another_server_or_a_path_from_the_root(repository: Path) -> None:
    for path in (repository / FOLDER).rglob("*"):
        if path.suffix in (".html", ".css", ".js", ".svg"):
            text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
            assert not re.search(r"https?://|(?:src|href)=\"/|from \"/|url\(", text), path


@pytest.mark.parametrize(
    "path",
    [
        "/page/",
        "/page/samples",
        "/page/missing.js",
        "/page/../page.py",
        "/page/%2e%2e/page.py",
        "/page/..%2fpage.py",
        "/page/samples/../../page.py",
        "/page/samples%5c..%5cindex.html",
        "/page//etc/passwd",
        "/page/%2fetc%2fpasswd",
        "/page/main.js%00.css",
        "/page.py",
    ],
)
def test_nothing_else_is_served(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_browser_that_has_the_file_is_told_so(client: Client) -> None:
    first = client.get("/page/main.js")
    assert first.headers["cache-control"] == "no-cache"
    tag = first.headers["etag"]
    again = client.get("/page/main.js", headers={"If-None-Match": f'"other", W/{tag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == tag
    changed = client.get("/page/style.css", headers={"If-None-Match": tag})
    assert changed.status_code == 200


def test_samples_are_small_pictures(repository: Path) -> None:
    samples = sorted((repository / FOLDER / "samples").iterdir())
    assert [path.name for path in samples] == ["lunge.jpg", "park.jpg", "room.jpg"]
    for path in samples:
        assert path.stat().st_size < 60_000
        image = cv2.imread(str(path))
        assert image is not None
        assert image.shape[1] == 480
