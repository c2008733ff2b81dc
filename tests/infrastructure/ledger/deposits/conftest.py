from __future__ import annotations

import pytest

from tests.infrastructure.ledger.deposits.authority import Authority, made


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return made(tmp_path_factory.mktemp("authority"))
