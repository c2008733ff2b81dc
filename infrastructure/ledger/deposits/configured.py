"""The places that the settings name."""

from __future__ import annotations

from functools import cache

from infrastructure.ledger.deposits.places import Place
from infrastructure.settings_deposits import Deposits


@cache
def configured(deposits: Deposits) -> tuple[Place, ...]:
    """Each of them, in a fixed order."""
    return (*_here(deposits), *_witnesses(deposits), *_timestamp(deposits))


def _here(deposits: Deposits) -> list[Place]:
    from infrastructure.ledger.deposits.folder import Folder
    from infrastructure.ledger.deposits.git import GitRepository

    found: list[Place] = [] if deposits.folder is None else [Folder(deposits.folder)]
    return found if deposits.git is None else [*found, GitRepository(deposits.git)]


def _witnesses(deposits: Deposits) -> list[Place]:
    if not deposits.witnesses:
        return []
    from infrastructure.ledger.deposits.cosignatures import read_witness_key
    from infrastructure.ledger.deposits.witness import Witness

    return [Witness(url, read_witness_key(vkey)) for vkey, url in deposits.witnesses]


def _timestamp(deposits: Deposits) -> list[Place]:
    """Imported where it is configured: every command and every web worker reads the places' names."""
    if deposits.timestamp is None:
        return []
    from cryptography.x509 import load_pem_x509_certificates

    from infrastructure.ledger.deposits.timestamp import TimestampAuthority

    return [TimestampAuthority(deposits.timestamp, load_pem_x509_certificates(deposits.timestamp_ca.encode()))]
