from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.web.serving.raw import Worker, worker_of


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with worker_of(tmp_path_factory.mktemp("worker")) as made:
        yield made
