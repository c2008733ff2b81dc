"""Answers of time-stamping authorities as `rfc3161-client` reads them. What the authority signed stays as it is."""

from __future__ import annotations

_GRANTED, _GRANTED_WITH_MODS = 0, 1
_INTEGER, _EXPLICIT_0 = 0x02, 0xA0


def readable(answer: bytes) -> bytes:
    """The same `TimeStampResp` (RFC 3161 2.4.2), granted where it was granted with modifications (the token tells and signs what was granted, and is
    checked), and with the certificates in DER's order, which CMS doesn't ask for and some authorities don't keep (RFC 5652 10.2.3). `ValueError`: it
    is none."""
    changed = bytearray(answer)
    status_info, *token = _elements(answer, *_inside(answer, 0, len(answer)))
    status = _elements(answer, *_inside(answer, *status_info))[0]
    if answer[slice(*status)] == bytes([_INTEGER, 1, _GRANTED_WITH_MODS]):
        changed[status[1] - 1] = _GRANTED
    if token:
        certificates = _certificates(answer, token[0])
        if certificates is not None:
            parts = sorted(answer[slice(*each)] for each in _elements(answer, *certificates))
            changed[slice(*certificates)] = b"".join(parts)
    return bytes(changed)


def _certificates(der: bytes, token: tuple[int, int]) -> tuple[int, int] | None:
    """Where the content of the token's `certificates [0]` stands."""
    _, content, *_ = _elements(der, *_inside(der, *token))
    signed_data, *_ = _elements(der, *_inside(der, *content))
    found = next((each for each in _elements(der, *_inside(der, *signed_data)) if der[each[0]] == _EXPLICIT_0), None)
    return None if found is None else _inside(der, *found)


def _elements(der: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """Where each element between two offsets begins and ends."""
    found = []
    while start < end:
        stop = _inside(der, start, end)[1]
        found.append((start, stop))
        start = stop
    if not found:
        raise ValueError("it is empty")
    return found


def _inside(der: bytes, start: int, end: int) -> tuple[int, int]:
    """Where the content of the element begins and ends (X.690 8.1.3, lengths that are told)."""
    if end - start < 2:
        raise ValueError("it breaks off")
    length, first = der[start + 1], start + 2
    if length == 0x80:
        raise ValueError("it is not written in DER")
    if length > 0x80:
        first += length - 0x80
        length = int.from_bytes(der[start + 2 : first], "big")
    if first + length > end:
        raise ValueError("it breaks off")
    return first, first + length
