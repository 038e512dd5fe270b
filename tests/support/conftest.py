"""The running hub that its own tests share."""

from __future__ import annotations

import models
import pytest
from hub import Hub, Synthetic
from hub_testing import REPOSITORY, cdn_address


@pytest.fixture(scope="module")
def shared():
    with Hub(sample=True) as hub:
        hub.add_repository(REPOSITORY, {
            "config.json": b"{}",
            "model.bin": Synthetic(3_000_000, 5),
            "empty.txt": b"",
            "dir/inner.txt": b"inner",
        })
        manifest, blobs = models.registry_model()
        hub.add_model("acme/tiny:latest", manifest, blobs)
        yield hub


@pytest.fixture
def hub(shared):
    before = shared.settings()
    shared.reset()
    yield shared
    shared.reset()
    shared.settings(**before)


@pytest.fixture
def address(hub):
    """A signed address of model.bin on the CDN."""
    return cdn_address(hub)
