"""`read` and `CaptureReader`: recognise a capture's format and read it, whole or in blocks of bounded size."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import pyarrow as pa

from kdgat.captures import source
from kdgat.captures.channels import Channels, several
from kdgat.captures.clock import Clock
from kdgat.captures.frames import Frames
from kdgat.captures.parsers import binary, table, text
from kdgat.captures.parsers.rows import Header
from kdgat.captures.quarantine import MOST_BAD, BadRow, quarantine_path, write_quarantine
from kdgat.errors import CaptureError, KdgatError

OnBadRows = Literal["raise", "quarantine"]
#: bytes of text that are parsed at once
BLOCK = 1 << 21
#: behind what is wrong with a row
_REMEDY = " (--bad-rows quarantine sets such rows aside)"
_AHEAD = 3  # blocks parsed ahead where there is a pool


class CaptureReader:
    """The frames of one capture, in file order, in blocks: iterate once.

    Attributes:
        path: the file.
        format: `labelled-csv`, `hcrl-csv`, `hcrl-keyed`, `candump`, `table`, `asc`, `blf`, `mf4`, `trc`, `busmaster`,
            `kvaser`, `candump-screen` or `parquet`.
        live: it comes through a pipe.
        bad: rows set aside so far (`on_bad_rows="quarantine"`); the side file is written when the iteration ends.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        on_bad_rows: OnBadRows = "raise",
        quarantine: Path | None = None,
        block: int = BLOCK,
        pool: Executor | None = None,
        channel: str | None = None,
    ) -> None:
        """Open the capture and recognise its format.

        Args:
            path: a capture in any format; those packed by gzip, zstd, bz2 and xz are told by their first bytes.
            on_bad_rows: `raise` stops at the first row that is not as its format wants it; `quarantine` sets such rows
                aside in a side file with their reasons and goes on.
            quarantine: the side file, default `<path>.quarantine.csv`.
            block: bytes of text to parse at once.
            channel: bus whose frames are read, where the file has several (`can0`; of other logs its number).
            pool: threads that parse blocks ahead of the one that is asked for (text formats).

        Raises:
            CaptureError: no such file, empty, or not of a known format.
        """
        self.path = Path(path)
        self.bad: list[BadRow] = []
        self._strict = on_bad_rows == "raise"
        self._block = block
        self._pool = pool
        self._channels = Channels(self.path, channel)
        self._stream = source.open_stream(self.path)
        self._side = quarantine or quarantine_path(self.path)  # a path that was opened ends in a name
        self.live = source.live(self._stream)
        head = bytearray(4096)
        read = source.read_some(self.path, self._stream, memoryview(head))
        self._head = bytes(head[:read]).removeprefix(source.BOM)
        if not self._head.strip():
            raise CaptureError(str(self.path), 0, "the file is empty")
        if self._head.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise CaptureError(str(self.path), 1, "text in UTF-16: save it as UTF-8")
        self._text: text.TextFormat | None = None
        self._header: Header | None = None
        self._first_line = 1
        known = binary.recognise(self._head)
        if known is None:
            # the first line that is not blank decides
            begin = len(self._head) - len(self._head.lstrip(b"\r\n"))
            line, newline, after = self._head[begin:].partition(b"\n")
            self._text = text.recognise(line.rstrip(b"\r"))
            self._header = None if self._text else Header.of(line.decode("utf-8", "replace").strip())
            if self._text is None and self._header is None:
                if by := source.packed(self._head):
                    raise CaptureError(str(self.path), 0, f"the capture inside is packed by {by}: unpack it first")
                shown = line[:60].decode("utf-8", "replace")
                raise CaptureError(str(self.path), 1, f"no known capture format begins with {shown!r}")
            if self._text and self._text.header:
                self._first_line += self._head.count(b"\n", 0, begin) + len(newline)
                self._head = after
            if self._text and self._text.bus and channel is not None:
                self._text = replace(self._text, bus=channel.encode(), only=True)
            known = self._text.name if self._text else "table"
        self.format = known

    def __iter__(self) -> Iterator[Frames]:
        n, clock = 0, Clock()
        blocks = self._text_blocks(self._text) if self._text else self._binary_blocks()
        with self._stream:
            for frames, bad in blocks:
                if bad and self._strict:
                    raise CaptureError(str(self.path), bad[0].line, f"{bad[0].column}: {bad[0].reason}{_REMEDY}")
                self.bad += bad
                if len(self.bad) > MOST_BAD:
                    raise CaptureError(str(self.path), 0, f"more than {MOST_BAD} bad rows: this is no damaged capture")
                n += len(frames)
                if fault := clock.fault(frames.timestamp):
                    raise CaptureError(str(self.path), 0, fault)
                if len(frames):
                    yield frames
        if fault := clock.verdict():
            raise CaptureError(str(self.path), 0, fault)
        if not n and not self.bad:
            raise CaptureError(str(self.path), 0, f"no frames{self._of_channel()}")
        if not self._strict:
            write_quarantine(self._side, self.bad, self.path)
        if not n:
            raise CaptureError(str(self.path), 0, f"no frames left: all {len(self.bad)} rows are set aside")

    def _binary_blocks(self) -> Iterator[tuple[Frames, list[BadRow]]]:
        content = source.read_all(self.path, self._stream, self._head)
        if self._header is not None:
            return table.blocks(self._header, self._channels, content)
        return binary.blocks(self.format, self._channels, content)

    def _of_channel(self) -> str:
        """Say which bus was asked for, and which there are as far as the format tells."""
        if self._channels.bus is None:
            return ""
        there = (
            f"; there are: {', '.join(name[:20] for name in sorted(self._channels.seen)[:20])}"
            if self._channels.seen
            else ""
        )
        return f" of bus {self._channels.bus!r}{there}"

    def _text_blocks(self, format: text.TextFormat) -> Iterator[tuple[Frames, list[BadRow]]]:
        line = self._first_line
        for parsed in self._parsed(format):
            try:
                frames, bad, lines = parsed.result()
            except text.OtherBusError as error:
                buses = dict.fromkeys((format.bus.decode("utf-8", "replace"), error.bus))
                raise CaptureError(str(self.path), line + error.line, several(buses)) from None
            bad = [replace(row, line=row.line + line) for row in bad]
            line += lines
            yield frames, bad

    def _parsed(self, format: text.TextFormat) -> Iterator[Future]:
        """Blocks in order; some are parsed ahead."""
        ahead: deque[Future] = deque()
        for block, cut in source.line_blocks(self.path, self._stream, self._head, self._block):
            ahead.append(self._submit(text.parse, format, block, self._strict, cut))
            if self._pool is None or len(ahead) > _AHEAD:
                yield ahead.popleft()
        yield from ahead

    def _submit(self, work: Callable[..., Any], *args: Any) -> Future:
        if self._pool is not None:
            return self._pool.submit(work, *args)
        done: Future = Future()
        try:
            done.set_result(work(*args))
        except text.OtherBusError as error:  # told where blocks are taken in their order, as that of a pool is
            done.set_exception(error)
        return done


def read(
    path: Path | str,
    *,
    on_bad_rows: OnBadRows = "raise",
    quarantine: Path | None = None,
    channel: str | None = None,
) -> pa.Table:
    """All frames of the capture at `path` (schema `FRAME_SCHEMA`), see `CaptureReader` for formats and arguments.

    The table's metadata says how many rows were set aside: see `quarantined`.

    Raises:
        CaptureError: no capture of a known format, or (strict, the default) a bad row: file, line, column, reason.
    """
    reader = CaptureReader(path, on_bad_rows=on_bad_rows, quarantine=quarantine, channel=channel)
    return Frames.concat(list(reader)).to_table().replace_schema_metadata({"quarantined": str(len(reader.bad))})


def quarantined(table: pa.Table) -> int:
    """Rows that were set aside when `table` was read."""
    return int((table.schema.metadata or {}).get(b"quarantined", 0))


def check_bad_rows(value: str) -> None:
    """Raise `KdgatError` unless `value` is one of `OnBadRows`."""
    if value not in get_args(OnBadRows):
        raise KdgatError(f"bad rows are dealt with by one of {', '.join(get_args(OnBadRows))}; got {value!r}")
