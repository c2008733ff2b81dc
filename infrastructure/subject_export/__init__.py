"""All that is kept about one member, as a signed bundle for that person (GDPR Art. 15)."""

from infrastructure.subject_export.writing import Written, export_to

__all__ = ["Written", "export_to"]
