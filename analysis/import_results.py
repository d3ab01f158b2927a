"""`kdgat import-results FILE.csv`: metrics of another time or tool beside a release, marked as untraced.

They are kept in `data/imported/`, never inside a release: no query, page or sentence can take one for a traced number.
"""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import dataclass
from pathlib import Path

from analysis.reference.format import by_metric
from analysis.releases.release import Release
from kdgat import atomic, records
from kdgat.errors import CaptureError, KdgatError
from kdgat.evaluation.registry import metrics
from kdgat.paths import REPO
from kdgat.provenance import sha256

MARK = "imported, not traced"
REQUIRED = ("dataset", "scenario", "model", "metric", "value")
#: column → what it holds where a file does not say
OPTIONAL = {"protocol": "zero-shot", "attack": "all"}
KEY = ("dataset", "scenario", "attack", "model", "protocol", "metric")
MAX_BYTES = 16 << 20
_LARGEST = 1e12
#: where they are kept
FOLDER = REPO / "data" / "imported"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,79}")


@dataclass(frozen=True)
class Imported:
    """One metric that somebody else computed: its key (values of `KEY`) and value."""

    key: tuple[str, ...]
    value: float


def parse(path: Path) -> list[Imported]:
    """Rows of a CSV file with a header: `REQUIRED` columns, `OPTIONAL` ones, others ignored.

    Several rows of one key (seeds, say) become their mean, as `summary` holds means over seeds.

    Raises:
        KdgatError: file, line and what is wrong there.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CaptureError(str(path), 0, f"over {MAX_BYTES >> 20} MiB: no table of metrics")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CaptureError(str(path), 0, error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise CaptureError(str(path), 0, "is not UTF-8 text") from None
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""))
        missing = [c for c in REQUIRED if c not in (reader.fieldnames or ())]
        if missing:
            raise CaptureError(str(path), 1, f"no column {', '.join(missing)}; needed: {', '.join(REQUIRED)}")
        values: dict[tuple[str, ...], list[float]] = {}
        for row in reader:
            key = tuple((row.get(c) or OPTIONAL.get(c, "")).strip() for c in KEY)
            for column, name in zip(KEY, key, strict=True):
                if not _NAME.fullmatch(name):
                    raise CaptureError(str(path), reader.line_num, f"{column}: {name[:40]!r} is no name")
            if key[4] not in records.PROTOCOLS:
                reason = f"protocol: {key[4]!r} is none of {', '.join(records.PROTOCOLS)}"
                raise CaptureError(str(path), reader.line_num, reason)
            value = _number(path, reader.line_num, row["value"])
            _check_range(path, reader.line_num, key[5], value)
            values.setdefault(key, []).append(value)
    except csv.Error as error:
        raise CaptureError(str(path), 0, f"is not CSV: {error}") from None
    if not values:
        raise CaptureError(str(path), 0, "no rows")
    return [Imported(key, math.fsum(v) / len(v)) for key, v in sorted(values.items())]


def _number(path: Path, line: int, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        raise CaptureError(str(path), line, f"value: {(text or '')[:40]!r} is no number") from None
    if not abs(value) <= _LARGEST:
        raise CaptureError(str(path), line, f"value: {(text or '')[:40]!r} is not finite or beyond what any metric is")
    return value


def _check_range(path: Path, line: int, metric: str, value: float) -> None:
    """Refuse a share beyond 0 to 1, or any value below what the metric can be; a metric that is not known is not judged."""
    about = metrics().get(metric)
    if about is None:
        return
    low, high = (-1.0 if metric == "mcc" else 0.0), (1.0 if about.format == "share" else math.inf)
    if not low <= value <= high:
        raise CaptureError(str(path), line, f"value: {value:g} is no {metric}: {low:g} to {high:g}")


def keep(rows: list[Imported], source: Path, folder: Path) -> Path:
    """Write `<stem>.csv` into `folder`, each row with its mark and the hash of the file it came from."""
    if not _NAME.fullmatch(source.stem):
        raise KdgatError(f"{source.name!r}: rename the file; letters, digits, `.`, `_`, `+`, `-` may name a table")
    digest = sha256(source.read_bytes())
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*KEY, "value", "origin", "source_sha256"])
    writer.writerows([*r.key, repr(r.value), MARK, digest] for r in rows)
    target = folder / f"{source.stem}.csv"
    if target.exists() and target.read_text(encoding="utf-8") != text.getvalue():
        raise KdgatError(f"{target} exists with other content: rename {source.name}, or remove the old one")
    try:
        atomic.write_text(target, text.getvalue())
    except OSError as error:
        raise KdgatError(f"cannot write {target}: {error.strerror}") from None
    return target


def beside(rows: list[Imported], release: Release) -> str:
    """A Markdown table: each imported value next to what the release says, or `not in it`."""
    frozen = {tuple(r[k] for k in KEY): r for r in release.table("summary").to_pylist()}
    lines = [
        f"| {' | '.join(KEY)} | {MARK} | {release.name} | 95 % interval |",
        f"|{' :-- |' * len(KEY)} --: | --: | --: |",
    ]
    for row in rows:
        metric, have = row.key[5], frozen.get(row.key)
        value, interval = "not in it", ""
        if have is not None:
            value = by_metric(metric, have["mean"])
            if have["ci_low"] is not None:
                interval = f"{by_metric(metric, have['ci_low'])}–{by_metric(metric, have['ci_high'])}"
        lines.append(f"| {' | '.join(row.key)} | {by_metric(metric, row.value)} | {value} | {interval} |")
    return "\n".join(lines)


def run(file: Path, release: str | None = None, folder: Path = FOLDER) -> int:
    """Keep the rows of `file` in `folder`, and print them beside those of a release (None: the current one)."""
    opened = Release.open(release)
    rows = parse(file)
    target = keep(rows, file, folder)
    print(beside(rows, opened))
    print(f"\n{len(rows)} metrics kept in {target}: {MARK}")
    return 0
