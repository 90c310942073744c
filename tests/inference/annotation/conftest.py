"""A store on loopback that speaks S3."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator

import pytest
from pyarrow.fs import S3FileSystem


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    """Port of a server that speaks S3."""
    server = pytest.importorskip("moto.server")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    store = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    store.start()
    yield store.get_host_and_port()[1]
    store.stop()


@pytest.fixture
def bucket(s3_port: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """URI of an empty bucket; the environment says where its store is."""
    address = f"http://127.0.0.1:{s3_port}"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    system = S3FileSystem(endpoint_override=address, region="us-east-1", allow_bucket_creation=True)
    name = f"bucket-{secrets.token_hex(4)}"
    system.create_dir(name)
    return f"s3://{name}"
