"""The session in which the scripts of a file of tests are run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lossdoctor.worker.local import LocalSession


@pytest.fixture(scope="module")
def session() -> Iterator[LocalSession]:
    session = LocalSession()
    yield session
    session.close()
