"""The folder of weights: an address becomes a whole, checked file there, or an error.

A file comes under a temporary name, is held to the digest in its name and then renamed, so that
the folder only ever has whole files. What a cut connection left is gone on with next time.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

from raypose.errors import CheckpointError
from raypose.weights.addresses import file_name_of, is_address, path_in
from raypose.weights.digests import digest_in_name, sha256_of
from raypose.weights.file_lock import file_lock
from raypose.weights.published import find_published_file, publisher_host
from raypose.weights.transfer import Progress, TransferError, transfer
from raypose.weights.trunks import TRUNKS

logger = logging.getLogger(__name__)

FOLDER_VARIABLE = "RAYPOSE_WEIGHTS_DIR"
MIRRORS_VARIABLE = "RAYPOSE_MIRRORS"
OFFLINE_VARIABLE = "RAYPOSE_OFFLINE"

# Their files are named after their digest even where no date follows it.
_NAMING_HOSTS = ("https://download.openmmlab.com/", "https://download.pytorch.org/")
_PARTIAL = ".partial"


def local_file(source: str | Path) -> Path:
    """Return the local file that a path, an address or the name of a trunk means.

    What is not a path is fetched if need be.

    Raises:
        CheckpointError: if an address cannot be fetched; see `fetch`.
    """
    source = TRUNKS.get(str(source), source)
    if not is_address(source):
        return Path(source)
    if str(source).startswith("file:"):
        return path_in(str(source))
    return fetch(str(source))


def weights_folder() -> Path:
    """Return the folder of fetched files: `RAYPOSE_WEIGHTS_DIR` or one in the user's cache."""
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        return Path(given).expanduser()
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser() / "raypose" / "weights"


def cached_path(url: str) -> Path:
    """Return where the file of an address lies once it is fetched.

    Files that nothing but their address tells apart get a folder each.
    """
    name = file_name_of(url)
    if digest_in_name(name, without_date=_names_digests(url)) or find_published_file(name):
        return weights_folder() / name
    return weights_folder() / hashlib.sha256(url.encode()).hexdigest()[:8] / name


def fetch(url: str, show: Progress = lambda done, total: None) -> Path:
    """Return the local file of an address, checked; it is downloaded if it is not there.

    Args:
        url: an address of HTTP or HTTPS, or of a local file, which is copied.
        show: called with the bytes that are there and those in all.

    Returns:
        The file, in `weights_folder()`.

    Raises:
        CheckpointError: if no source gives the file, or it is not what its name promises.
    """
    path = cached_path(url)
    digest = digest_in_name(path.name, without_date=_names_digests(url))
    problem = _problem_of(path, digest)
    if problem is None:
        return path
    if os.environ.get(OFFLINE_VARIABLE, "0") not in ("", "0"):
        problems = [f"{path}: {problem}", f"{OFFLINE_VARIABLE} is set"]
        raise CheckpointError(_cannot_get(url, path, problems))
    partial = path.parent / _PARTIAL
    try:
        partial.mkdir(parents=True, exist_ok=True)
        with file_lock(partial / f"{path.name}.lock", on_wait=lambda: _say_waiting(path)):
            if _problem_of(path, digest) is not None:
                _download(url, partial / path.name, digest, show).replace(path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be written: {error}") from error
    return path


def _download(url: str, partial: Path, digest: str | None, show: Progress) -> Path:
    """Return the partial file, whole and checked, from the first source that has it."""
    problems = []
    for source in _sources(url):
        if digest is None:  # nothing would tell that two halves do not belong together
            partial.unlink(missing_ok=True)
        logger.info("downloading %s", source)
        problem = _receive(source, partial, digest, show)
        if problem is None:
            return partial
        problems.append(f"{source}: {problem}")
    if digest is None:
        partial.unlink(missing_ok=True)
    raise CheckpointError(_cannot_get(url, partial.parents[1] / partial.name, problems))


def _receive(source: str, partial: Path, digest: str | None, show: Progress) -> str | None:
    """Get the rest of a file from a source; returns what is wrong, if so."""
    continued = partial.is_file()
    if continued and _problem_of(partial, digest) is None:
        return None  # all of it came, and then the process ended
    try:
        transfer(source, partial, show)
    except TransferError as error:
        return str(error)
    problem = _problem_of(partial, digest)
    if problem is not None:
        partial.unlink()
        if continued:  # the start may be at fault
            return _receive(source, partial, digest, show)
    return problem


def _problem_of(path: Path, digest: str | None) -> str | None:
    """Say why a file is not the one it should be, if so."""
    if not path.is_file():
        return "there is no such file"
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        return "the file is empty"
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page came instead of the file"
    found = None if digest is None else sha256_of(path)
    if digest is not None and found is not None and not found.startswith(digest):
        return f"damaged: its name promises sha256 {digest}..., it has {found[:8]}..."
    return None


def _sources(url: str) -> list[str]:
    """Return the addresses to try, mirrors first: who names one has a reason."""
    host = publisher_host()
    mirrors = os.environ.get(MIRRORS_VARIABLE, "").split() if url.startswith(host) else []
    return [mirror.rstrip("/") + "/" + url.removeprefix(host) for mirror in mirrors] + [url]


def _names_digests(url: str) -> bool:
    return url.startswith(_NAMING_HOSTS)


def _say_waiting(path: Path) -> None:
    logger.info("waiting for another process that downloads %s", path.name)


def _cannot_get(url: str, path: Path, problems: list[str]) -> str:
    lines = "\n".join(f"  {problem}" for problem in problems)
    return (
        f"{path.name} cannot be downloaded:\n{lines}\n"
        f"Get it on another machine ({url}) and put it at {path}, "
        f"or name a mirror in {MIRRORS_VARIABLE} or another folder in {FOLDER_VARIABLE}; "
        "a local file can also be given as weights."
    )
