"""A member's export as an answer's body, for the API and the pages."""

from __future__ import annotations

import tempfile
from pathlib import Path
from uuid import UUID

from application.services import Origin, Services
from infrastructure.bootstrap import App
from infrastructure.subject_export import export_to

ZIP = "application/zip"


def exported(app: App, services: Services, account_id: str, member_id: UUID, *, origin: Origin, actor_id: str | None = None) -> bytes:
    """The bundle; the file that it is made in is gone when this returns."""
    with tempfile.TemporaryDirectory(prefix="grantbook-export-") as folder:
        path = Path(folder) / "export.zip"
        export_to(app, services, account_id, member_id, path, origin=origin, actor_id=actor_id)
        return path.read_bytes()


def file_name(member_id: UUID) -> str:
    """What the file is called: by the id, since a name in a download list is personal."""
    return f"member-{member_id}.zip"
