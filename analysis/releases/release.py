"""A release: an immutable folder of Parquet tables and a manifest that names where every row came from.

`data/frozen/<name>/manifest.json` describes `<table>.parquet` and `weights/`; `data/frozen/current` names the release
that is shown. A release may come from a stranger, so names, links, sizes and claimed row counts are checked before a
table is parsed.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from analysis.releases import predictions
from analysis.releases.plausible import (
    MAX_FILE_BYTES,
    MAX_MANIFEST_BYTES,
    MAX_ROWS,
    MAX_ROWS_PER_BYTE,
    MAX_TEXT_BYTES,
    NAME,
    NAMED,
    ReleaseError,
    check_manifest,
    strict_json,
)
from kdgat import records
from kdgat.errors import KdgatError
from kdgat.models import registry
from kdgat.paths import REPO
from kdgat.provenance import sha256

if TYPE_CHECKING:
    import duckdb

#: releases that `make reproduce` makes beside the published ones; ignored by git and left out of the index
LOCAL = "local-"
#: stage of the runs that `flows/ablation_flow.py` leaves
ABLATION = "ablation"
#: what names of the models of `flows/published_flow.py` begin with
RECIPE = "published-"


def frozen_root() -> Path:
    """Folder of all releases: `data/frozen`, or $KDGAT_FROZEN (tests, stores elsewhere)."""
    return Path(os.environ.get("KDGAT_FROZEN", REPO / "data" / "frozen"))


def current_name(root: Path | None = None) -> str:
    """Name of the release that is shown: $KDGAT_RELEASE, else what `current` holds."""
    if name := os.environ.get("KDGAT_RELEASE"):
        return name
    root = root or frozen_root()
    if (name := pointed(root)) is None:
        raise ReleaseError(f"no release is current: {root / 'current'} is missing; run `make reproduce`")
    return name


def pointed(root: Path) -> str | None:
    """Return what the file `current` names; None where there is none. Raises `ReleaseError` where it is no text."""
    try:
        return (root / "current").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise ReleaseError(f"{root / 'current'} does not name a release: {error}") from None


def names(root: Path | None = None) -> list[str]:
    """Names of all releases on disk, sorted."""
    root = root or frozen_root()
    if not root.is_dir():
        return []
    return sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _plain(value: Any) -> Any:
    """Give a value of a query as JSON knows it: no decimals (sums of integers, literals with a point), dates, bytes, infinities."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):  # a map comes as pairs
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    return value


class Release:
    """One release, opened read-only.

    Attributes:
        path: its folder.
        manifest: the parsed `manifest.json`.
        manifest_sha256: hash of the manifest's bytes: it identifies the release.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        file = path / "manifest.json"
        if path.is_symlink() or not path.is_dir():
            others = [name for name in names(path.parent) if (path.parent / name / "manifest.json").is_file()]
            there = f"there are: {', '.join(others)}" if others else f"a release has a folder or a name ({NAMED})"
            raise ReleaseError(f"no release {path.name!r} in {path.parent}; {there}")
        data = self._bytes(file, MAX_MANIFEST_BYTES)
        try:
            self.manifest: dict[str, Any] = strict_json(data)
        except (ValueError, RecursionError) as error:
            raise ReleaseError(f"{self.name}: manifest.json is not JSON: {error}") from None
        self.manifest_sha256 = sha256(data)
        check_manifest(self.name, self.manifest)

    @classmethod
    def open(cls, which: str | Path | None = None) -> Release:
        """The release called `which`, or in the folder `which`, or the current one; raises `ReleaseError`."""
        if which is None:
            which = current_name()
        if isinstance(which, str) and NAME.fullmatch(which):
            return cls(frozen_root() / which)
        if isinstance(which, str) and os.sep not in which:
            raise ReleaseError(f"{which!r} is not a name of a release: {NAMED}")
        return cls(Path(which))

    @property
    def current(self) -> bool:
        """Say whether it is the release that `current` names, for which the sources are written; the environment does not count."""
        return self.path == frozen_root() / self.name and pointed(frozen_root()) == self.name

    @property
    def data_kind(self) -> str:
        """`real`, `synthetic` or `mixed`."""
        return str(self.manifest["data_kind"])

    @property
    def tables(self) -> list[str]:
        """Names of the tables it holds, sorted."""
        return sorted(self.manifest["tables"])

    def table(self, name: str) -> pa.Table:
        """The table `name`, read and validated; an empty one where the release has none of its rows."""
        if name not in self.manifest["tables"]:
            return records.schema(name).arrow().empty_table()
        return self._tables(name)

    def contents(self) -> dict[str, pa.Table]:
        """All tables it holds, read and validated, by name."""
        return {name: self.table(name) for name in self.tables}

    def held(self, name: str) -> pa.Table:
        """The table `name` with the columns that the release holds itself: what its hash is taken of."""
        columns = self.manifest["tables"][name]["columns"]
        table = self.table(name)
        return table.select([column for column in table.column_names if column in columns])

    @cached_property
    def scored_models(self) -> tuple[str, ...]:
        """Names of the models whose window scores it holds."""
        return tuple(records.scored_models(self.table("predictions")))

    def trained(self) -> list[dict[str, Any]]:
        """Rows of `runs` without those of ablations, each of which has another configuration on purpose."""
        return [r for r in self.table("runs").to_pylist() if r["stage"] != ABLATION]

    def configured(self) -> list[dict[str, Any]]:
        """Rows of `runs` whose configuration is the release's own: without ablations and the published recipe."""
        return [r for r in self.trained() if not r["model"].startswith(RECIPE)]

    def _tables(self, name: str) -> pa.Table:
        if name not in self._cache:
            self.check_size(name)
            entry = self.manifest["tables"][name]
            try:
                if "parts" in entry:
                    table = predictions.unpack(self._parts(entry), entry["models"])
                else:
                    table = self._rows(f"{name}.parquet")
                self._cache[name] = records.of_release(name, table, entry["columns"])
            except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # names of columns need not be text
                raise ReleaseError(f"{self.name}: {name}.parquet cannot be read: {error}") from None
        return self._cache[name]

    @cached_property
    def _cache(self) -> dict[str, pa.Table]:
        return {}

    def file(self, name: str) -> Path:
        """Path of the Parquet file of table `name`."""
        return self.path / f"{name}.parquet"

    def con(self) -> duckdb.DuckDBPyConnection:
        """A fresh in-memory DuckDB connection with one view per table (also the empty ones)."""
        import duckdb

        # one thread: two add floats in an order of their own each time, and a number would not be the same twice
        con = duckdb.connect(config={"threads": 1, "enable_external_access": False})
        for name in records.TABLES:
            con.register(name, self.table(name))
        # a query may name any scored model, also one that is newer than this release
        scores = self.table("predictions")
        for model in registry.scored():
            if model not in scores.column_names:
                scores = scores.append_column(model, pa.nulls(len(scores), pa.float32()))
        con.register("predictions", scores)
        return con

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Result of a query as a list of rows."""
        import duckdb

        con = self.con()
        try:
            if (statements := len(con.extract_statements(sql))) != 1:
                raise KdgatError(f"a query is one statement, this is {statements or 'none'}")
            relation = con.sql(sql)
            rows = relation.to_arrow_table().to_pylist() if relation is not None else []
        except duckdb.Error as error:
            raise KdgatError(f"query failed on {self.name}: {str(error).splitlines()[0]}") from None
        return [{k: _plain(v) for k, v in row.items()} for row in rows]

    def check_size(self, name: str) -> None:
        """Refuse a table whose size or row claim is out of bounds, from its footer alone."""
        entry = self.manifest["tables"][name]
        for file, part in self._files_of(name).items():
            self._check_footer(file, part["bytes"], part["rows"])
        whole = sum(part["rows"] * len(part["seeds"]) for part in entry.get("parts", []))
        if "parts" in entry and (whole != entry["rows"] or whole > MAX_ROWS):
            raise ReleaseError(f"{self.name}: the parts of {name} hold {whole} rows, the manifest says {entry['rows']}")

    def _check_footer(self, file: str, size: int, rows: int) -> None:
        data = self._bytes(self.path / file)
        if len(data) != size:
            raise ReleaseError(f"{self.name}: {file} has {len(data)} bytes, the manifest says {size}")
        try:
            meta = pq.read_metadata(pa.BufferReader(data))
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise ReleaseError(f"{self.name}: {file} is not whole: {error}") from None
        claim = max(meta.num_rows, sum(meta.row_group(i).num_rows for i in range(meta.num_row_groups)))
        unpacked = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
        if claim > MAX_ROWS or claim > MAX_ROWS_PER_BYTE * max(len(data), 1) or unpacked > 4 * MAX_FILE_BYTES:
            raise ReleaseError(f"{self.name}: {file} claims {claim} rows ({unpacked} bytes): refused")
        if meta.num_rows != rows:
            raise ReleaseError(f"{self.name}: {file} holds {meta.num_rows} rows, the manifest says {rows}")

    def _parts(self, entry: dict[str, Any]) -> Iterator[tuple[dict[str, Any], pa.Table]]:
        for part in entry["parts"]:
            yield part, self._rows(part["file"])

    def _rows(self, file: str) -> pa.Table:
        """Read a Parquet file: types first, and texts as dictionaries until it is known what they fill.

        A dictionary of long texts is small on disk, and grows to their length times the rows once it is unfolded.
        """
        data = self._bytes(self.path / file)
        schema = pq.ParquetFile(pa.BufferReader(data)).schema_arrow
        kinds = (pa.types.is_string, pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
        if odd := next((f for f in schema if not any(is_kind(f.type) for is_kind in kinds)), None):
            raise ReleaseError(
                f"{self.name}: {file}: column {odd.name[:80]!r} is {odd.type}: no table has such a column"
            )
        texts = [f.name for f in schema if pa.types.is_string(f.type)]
        table = pq.read_table(pa.BufferReader(data), use_threads=False, read_dictionary=texts)
        filled = 0
        for name in texts:
            for chunk in table[name].chunks:
                longest = pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0
                filled += longest * len(chunk)
        if filled > MAX_TEXT_BYTES:
            raise ReleaseError(f"{self.name}: {file} unfolds to up to {filled} bytes of text: refused")
        return table.cast(schema)

    def _files_of(self, name: str) -> dict[str, dict[str, Any]]:
        """Relative path → manifest entry of the files that hold a table."""
        entry = self.manifest["tables"][name]
        return {part["file"]: part for part in entry["parts"]} if "parts" in entry else {f"{name}.parquet": entry}

    def _bytes(self, file: Path, limit: int = MAX_FILE_BYTES) -> bytes:
        """Content of a file of the release: a plain file inside it, not a link, not too large."""
        inside = file.relative_to(self.path)
        if any((self.path / way).is_symlink() for way in (inside, *inside.parents)):
            raise ReleaseError(f"{self.name}: {file.name} is a symbolic link: refused")
        try:
            if not file.is_file():
                raise ReleaseError(f"{self.name}: {file.name} is missing")
            if file.stat().st_size > limit:
                raise ReleaseError(f"{self.name}: {file.name} is over {limit} bytes: refused")
            return file.read_bytes()
        except OSError as error:
            raise ReleaseError(f"{self.name}: {file.name}: {error.strerror}") from None

    def holds_weights(self, dataset: str, model: str) -> bool:
        """Whether it keeps what a model learned on a dataset, so that it can score again."""
        return any(file.startswith(f"weights/{dataset}/{model}-s") for file in self.manifest["weights"])

    def weight(self, file: str) -> bytes:
        """Bytes of one weights file, hash checked (what runs a model must be what was released)."""
        entry = self.manifest["weights"].get(file)
        if entry is None:
            raise ReleaseError(
                f"{self.name}: no weights {file!r}; there are: {', '.join(self.manifest['weights']) or 'none'}"
            )
        data = self._bytes(self.path / file)
        if sha256(data) != entry["sha256"]:
            raise ReleaseError(f"{self.name}: {file} is not the file that was frozen (sha256 differs)")
        return data

    def files(self) -> dict[str, dict[str, Any]]:
        """Relative path → manifest entry (sha256, bytes …) of every file besides the manifest."""
        tables = {file: entry for name in self.manifest["tables"] for file, entry in self._files_of(name).items()}
        return {**tables, **self.manifest["weights"]}

    def check_hashes(self) -> None:
        """Re-hash every file; refuse a missing, altered or unlisted one."""
        for file, entry in sorted(self.files().items()):
            if sha256(self._bytes(self.path / file)) != entry["sha256"]:
                raise ReleaseError(f"{self.name}: {file} was changed after the freeze (sha256 differs)")
        contents = {*self.files(), "manifest.json"}
        for root, folders, files in os.walk(self.path):
            for name in (*folders, *files):
                path = Path(root, name)
                relative = path.relative_to(self.path).as_posix()
                if path.is_symlink():
                    raise ReleaseError(f"{self.name}: {relative} is a symbolic link: refused")
                if path.is_file() and relative not in contents:
                    raise ReleaseError(f"{self.name}: {relative} is not in the manifest")
