"""Checks a bundle offline: the signature, every file, every proof, and that the keys handed over open what the proven events hold."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.base import Sealed
from infrastructure.ledger.verifier import NotProven, check_proof
from infrastructure.store.sealing import EventKey
from infrastructure.subject_export.signing import FORMAT, check_signature


@dataclass(frozen=True, slots=True)
class Checked:
    """How many events the bundle tells of, and how many of them were proven."""

    member_id: str
    events: int
    proven: int


def check_export(path: Path, vkey: str) -> Checked:
    """`NotProven` names the first thing that is not as signed."""
    try:
        with zipfile.ZipFile(path) as bundle:
            return _check(bundle, vkey)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise NotProven(f"This is no whole export: {type(error).__name__}.") from error


def _check(bundle: zipfile.ZipFile, vkey: str) -> Checked:
    raw = bundle.read("manifest.json")
    check_signature(bundle.read("manifest.sig").decode(), raw, vkey)
    manifest = json.loads(raw)
    if manifest["format"] != FORMAT:
        raise NotProven(f"The export is of the format {manifest['format']!r}, which this release doesn't know.")
    if set(bundle.namelist()) - {"manifest.json", "manifest.sig"} != set(manifest["files"]):
        raise NotProven("The files of the export are not those that the manifest names.")
    for name, sum_ in manifest["files"].items():
        if hashlib.sha256(bundle.read(name)).hexdigest() != sum_:
            raise NotProven(f"{name} is not the file that was signed.")
    events = json.loads(bundle.read("events.json"))
    proven = sum(_event(bundle, manifest, event, vkey) for event in events)
    if (len(events), proven) != (manifest["events"], manifest["proven"]):
        raise NotProven("The export does not hold as many events and proofs as its manifest says.")
    return Checked(manifest["member"], len(events), proven)


def _event(bundle: zipfile.ZipFile, manifest: dict[str, Any], event: dict[str, Any], vkey: str) -> bool:
    """Whether the event has a proof; what it tells must be what its proven bytes say."""
    position = event["position"]
    if f"proofs/{position}.leaf" not in manifest["files"]:
        return False
    leaf = bundle.read(f"proofs/{position}.leaf")
    index, _ = check_proof(leaf, bundle.read(f"proofs/{position}.tlog-proof").decode(), vkey)
    _, stream, version, topic, state = leaf.split(b"\n", 4)
    if (index + 1, stream.decode(), int(version), topic.decode()) != (position, event["stream"], event["version"], event["topic"]):
        raise NotProven(f"Event {position} is not the one whose proof stands beside it.")
    for name, value in json.loads(state).items():
        if isinstance(value, dict) and value.get("sub") == manifest["member"] and value.get("kid") and not _opens(event, name, value):
            raise NotProven(f"What is told of event {position} ({name}) is not what it holds.")
    return True


def _opens(event: dict[str, Any], name: str, value: dict[str, str]) -> bool:
    if event["event_key"] is None:
        return event["facts"].get(name) is None
    key = EventKey(base64.b64decode(event["event_key"]), f"{event['stream']}:{event['version']}", value["sub"], value["kid"])
    return bool(key.open(Sealed(**value)) == event["facts"].get(name))
