"""Files on local disks and object stores, by path or URI.

A location is a local path or a URI of `s3://`, `gs://` or `hdfs://`, which pyarrow's file systems
reach. They are told where a store is and who asks by the usual environment variables, such as
`AWS_ACCESS_KEY_ID` and `AWS_ENDPOINT_URL`, or by options of the URI:
`s3://bucket/pictures?endpoint_override=http://127.0.0.1:9000`.
"""

from __future__ import annotations

import io
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow.fs import FileSelector, FileSystem, FileType

from raypose.errors import DataError

Location = str | Path

_URI = re.compile(r"([a-z][a-z0-9+]+)://", re.IGNORECASE)
_OPTIONS = re.compile(r"\?[a-z_]+=[^?]*$", re.IGNORECASE)
_BLOCK = 1 << 20


class StorageError(DataError):
    """A store that does not answer, which says nothing about the file that was asked for."""


def is_local(location: Location) -> bool:
    """Return whether a location is a path of this machine."""
    return isinstance(location, Path) or _URI.match(location) is None


def absolute(location: Location) -> str:
    """Return a location that means the same in every folder and process."""
    return str(Path(location).resolve()) if is_local(location) else str(location)


def join(location: Location, *names: str) -> str:
    """Return the location of something below a folder; options of its URI stay."""
    if is_local(location):
        return str(Path(location, *names))
    place, options = split_options(str(location))
    return "/".join([place.rstrip("/"), *(name.strip("/") for name in names)]) + options


def inside(folder: Location, name: str) -> str:
    """Return where to write what is named after a picture: inside a folder, whatever the name.

    Pictures of a list may have names that are whole locations or lead upwards; written where they
    say, an answer would replace the picture.
    """
    parts = os.path.splitdrive(name)[1].replace(":/", "/").replace(os.sep, "/").split("/")
    return join(folder, *(part for part in parts if part not in ("", ".", "..")))


def split(location: Location) -> tuple[str, str]:
    """Return the folder of a location and the last name of its path."""
    if is_local(location):
        return str(Path(location).parent), Path(location).name
    place, options = split_options(str(location))
    folder, _, name = place.rstrip("/").rpartition("/")
    if folder.endswith("/"):  # a bucket, which lies in no folder
        return str(location), ""
    return folder + options, name


def split_options(uri: str) -> tuple[str, str]:
    """Return a URI without its options, and these with the `?`."""
    options = _OPTIONS.search(uri)
    return (uri, "") if options is None else (uri[: options.start()], options.group())


def relative(location: Location, folder: Location) -> str | None:
    """Return the path of a location below a folder, with forward slashes; None if not below it.

    Both are absolute; the folder itself is the empty path.
    """
    if is_local(location) != is_local(folder):
        return None
    if is_local(location):
        path = Path(location)
        if not path.is_relative_to(folder):
            return None
        return "" if path == Path(folder) else path.relative_to(folder).as_posix()
    place, options = split_options(str(location))
    above, other = split_options(str(folder))
    above = above.rstrip("/") + "/"
    if options != other or not f"{place}/".startswith(above):
        return None
    return place[len(above) :].rstrip("/")


def shown(location: Location) -> str:
    """Return a location as messages and manifests may show it: without keys and options."""
    if is_local(location):
        return str(location)
    place, _ = split_options(str(location))
    return re.sub(r"://[^/@]*@", "://", place)


def exists(location: Location) -> bool:
    """Return whether there is a file or folder.

    Raises:
        StorageError: if the store does not answer.
    """
    return _type_of(location) != FileType.NotFound


def is_folder(location: Location) -> bool:
    """Return whether this is a folder; on an object store, a prefix that files begin with.

    Raises:
        StorageError: if the store does not answer.
    """
    return _type_of(location) == FileType.Directory


def size(location: Location) -> int:
    """Return the size of a file in bytes.

    Raises:
        DataError: if there is none.
    """
    with _errors_of(location):
        if is_local(location):
            return Path(location).stat().st_size
        system, path = _resolve(location)
        info = system.get_file_info(path)
        if info.type != FileType.File:
            raise FileNotFoundError(path)
        return int(info.size)


@contextmanager
def open_input(location: Location) -> Iterator[BinaryIO | pa.NativeFile]:
    """Open a file for reading at any position; a store is asked for the ranges that are read.

    Raises:
        DataError: if it cannot be opened or read.
    """
    with _errors_of(location):
        if is_local(location):
            with Path(location).open("rb") as file:
                yield file
        else:
            system, path = _resolve(location)
            with system.open_input_file(path) as file:
                yield file


def read_bytes(location: Location) -> bytes:
    """Return the content of a file.

    Raises:
        DataError: if it cannot be read.
    """
    with open_input(location) as file:
        return file.read()


@contextmanager
def local_copy(location: Location) -> Iterator[Path]:
    """Give a file as one of this machine: itself, or a copy that is removed afterwards.

    Raises:
        DataError: if it cannot be read.
    """
    if is_local(location):
        yield Path(location)
        return
    with tempfile.TemporaryDirectory(prefix="raypose-") as folder:
        path = Path(folder, split(location)[1])
        with open_input(location) as file, path.open("wb") as copy:
            shutil.copyfileobj(file, copy, _BLOCK)
        yield path


def list_files(
    root: Location, suffixes: Collection[str] | None = None, *, recursive: bool = True
) -> list[str]:
    """Return the files of a folder, without a look at any of them.

    Args:
        root: the folder.
        suffixes: ends of names, in small letters with the dot; None for all files.
        recursive: also those of the folders below it.

    Returns:
        Paths relative to the folder, with forward slashes, in the order of their parts.

    Raises:
        DataError: if there is no such folder or it may not be read.
    """
    with _errors_of(root):
        found = _walk(str(root), "", recursive, ()) if is_local(root) else _select(root, recursive)
        ends = None if suffixes is None else tuple(suffixes)
        names = (name for name in found if ends is None or name.lower().endswith(ends))
        return sorted(names, key=lambda name: name.replace("/", "\0"))


def delete(location: Location) -> None:
    """Remove a file, if it is there.

    Raises:
        DataError: if it cannot be removed.
    """
    with _errors_of(location):
        if is_local(location):
            Path(location).unlink(missing_ok=True)
            return
        system, path = _resolve(location)
        try:
            system.delete_file(path)
        except FileNotFoundError:
            pass


def write_whole(location: Location, content: bytes | Callable[[BinaryIO], object]) -> None:
    """Write a file that appears whole or not at all, in place of one that may be there.

    A local one is written beside its place under a hidden name that ends in `.partial`, forced to
    the disk and renamed; folders are made. An object store gets it in one upload.

    Args:
        location: the file.
        content: of the file, or what writes it.

    Raises:
        DataError: if it cannot be written; nothing is left then.
    """
    if is_local(location):
        with _errors_of(location):
            _write_local(Path(location), content)
        return
    # Made first, so that a mistake on the way ends no upload: what is ended, appears.
    if callable(content):
        buffer = io.BytesIO()
        content(buffer)
        content = buffer.getvalue()
    with _errors_of(location):
        system, path = _resolve(location)
        # As it is: by default a name that ends in .gz would have it compressed.
        with system.open_output_stream(path, compression=None) as file:
            file.write(content)


def _write_local(path: Path, content: bytes | Callable[[BinaryIO], object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Of its own for every writer: two of them may be at it when one is thought dead.
    partial = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        with partial.open("xb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    if hasattr(os, "O_DIRECTORY"):  # so that the new name outlives a power cut
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _resolve(location: Location) -> tuple[FileSystem, str]:
    """Return the file system of a URI and the path there, which is used as it is written."""
    place, options = split_options(str(location))
    parts = re.match(r"([^:]+)://([^/]*)/?(.*)", place, re.DOTALL)
    assert parts is not None
    scheme, authority, path = parts.groups()
    system = _connect(f"{scheme.lower()}://{authority}/{options}")
    if scheme.lower() == "hdfs":
        return system, f"/{path}"
    return system, f"{authority.rpartition('@')[2]}/{path}".rstrip("/")


@lru_cache(maxsize=64)
def _connect(uri: str) -> FileSystem:
    return FileSystem.from_uri(uri)[0]


def _type_of(location: Location) -> FileType:
    with _errors_of(location):
        if not is_local(location):
            system, path = _resolve(location)
            return system.get_file_info(path).type
        path = Path(location)
        if path.is_dir():
            return FileType.Directory
        return FileType.File if path.exists() else FileType.NotFound


def _walk(folder: str, prefix: str, recursive: bool, above: tuple[str, ...]) -> Iterator[str]:
    """Yield the files of a local folder; linked folders too, unless they lead back."""
    real = os.path.realpath(folder)
    if real in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if recursive:
                    yield from _walk(entry.path, f"{prefix}{entry.name}/", True, (*above, real))
            elif entry.is_file() or entry.is_symlink():  # one that leads nowhere is told later
                yield prefix + entry.name


def _select(root: Location, recursive: bool) -> Iterator[str]:
    system, path = _resolve(root)
    for info in system.get_file_info(FileSelector(path, recursive=recursive)):
        if info.type == FileType.File:
            yield info.path[len(path) :].lstrip("/")


@contextmanager
def _errors_of(location: Location) -> Iterator[None]:
    """Turn what file systems raise into what a person reads, with the location in it."""
    try:
        yield
    except (OSError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        where = shown(location)
        text = str(error)
        if is_local(location):
            if not isinstance(error, OSError):
                raise
            raise DataError(f"{where}: {error.strerror or text}") from error
        if isinstance(error, FileNotFoundError) or "NO_SUCH_BUCKET" in text:
            raise DataError(f"{where}: No such file or directory") from error
        if isinstance(error, PermissionError) or "ACCESS_DENIED" in text:
            raise DataError(f"{where}: Permission denied") from error
        if isinstance(error, OSError):
            raise StorageError(f"{where}: {text.splitlines()[0]}") from error
        scheme = urlsplit(str(location)).scheme
        raise DataError(
            f"{where}: not a location that can be reached ({scheme}: {text}); "
            "a path, s3://, gs:// or hdfs:// is"
        ) from error
