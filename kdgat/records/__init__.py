"""Every table a run leaves and a release holds: names, types, units, ranges, keys, in this one place.

A *run* here is one training or evaluation of the flow; its tables travel as Arrow IPC bytes (`dump`, `load`) inside
Metaflow artifacts and are frozen as Parquet (`parquet_bytes`). `validate` is called at every border, so a run that
violates its schema fails where it was made, not where it is read.
"""

from kdgat.records.checking import table, validate
from kdgat.records.evolution import of_release
from kdgat.records.schema import Column, RecordError, Schema
from kdgat.records.storage import content_hash, dump, load, parquet_bytes
from kdgat.records.tables import (
    ALONE_MODEL,
    DATA_KINDS,
    HEADLINE_MODEL,
    PROTOCOLS,
    TABLES,
    VERDICTS,
    schema,
    scored_models,
)

__all__ = [
    "ALONE_MODEL",
    "DATA_KINDS",
    "HEADLINE_MODEL",
    "PROTOCOLS",
    "TABLES",
    "VERDICTS",
    "Column",
    "RecordError",
    "Schema",
    "content_hash",
    "dump",
    "load",
    "of_release",
    "parquet_bytes",
    "schema",
    "scored_models",
    "table",
    "validate",
]
