"""One warm worker for the mends that are really examined."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lossdoctor.session import Settings
from lossdoctor.worker.remote import WorkerPool


@pytest.fixture(scope="session")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(1, Settings(time_limit=60.0)) as workers:
        yield workers
