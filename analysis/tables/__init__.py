"""Tables of the paper and the site, as Markdown."""

from analysis.tables.registry import TABLES, table

__all__ = ["TABLES", "table"]
