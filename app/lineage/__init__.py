"""Where the rows come from: what each object of sql/ reads, and the picture of it."""

from app.lineage.reading import APP_TABLES, LineageObject, migrated_tables, read_lineage

__all__ = ["APP_TABLES", "LineageObject", "migrated_tables", "read_lineage"]
