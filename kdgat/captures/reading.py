"""`read` and `CaptureReader`: recognise a capture's format and read it, whole or in blocks of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from kdgat.captures import binary, source, text
from kdgat.captures.frames import Frames, frame_table
from kdgat.captures.rows import BadRow, quarantine_path, write_quarantine
from kdgat.errors import CaptureError

OnBadRows = Literal["raise", "quarantine"]
#: bytes of text that are parsed at once
BLOCK = 1 << 23


class CaptureReader:
    """The frames of one capture, in file order, in blocks: iterate once.

    Attributes:
        path: the file.
        format: `labelled-csv`, `hcrl-csv`, `hcrl-keyed`, `candump`, `asc`, `blf` or `parquet`.
        bad: rows set aside so far (`on_bad_rows="quarantine"`); the side file is written when the iteration ends.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        on_bad_rows: OnBadRows = "raise",
        quarantine: Path | None = None,
        block: int = BLOCK,
        threads: int = 1,
    ) -> None:
        """Open the capture and recognise its format.

        Args:
            path: a capture in any format; gzip- and zstd-compressed ones are told by their first bytes.
            on_bad_rows: `raise` stops at the first row that is not as its format wants it; `quarantine` sets such rows
                aside in a side file with their reasons and goes on.
            quarantine: the side file, default `<path>.quarantine.csv`.
            block: bytes of text to parse at once; threads: how many share a block.

        Raises:
            CaptureError: no such file, empty, or not of a known format.
        """
        self.path = Path(path)
        self.bad: list[BadRow] = []
        self._strict = on_bad_rows == "raise"
        self._side = quarantine or quarantine_path(self.path)
        self._block = block
        self._threads = threads
        self._stream = source.open_stream(self.path)
        head = bytearray(4096)
        read = source.read_some(self.path, self._stream, memoryview(head))
        self._head = bytes(head[:read]).removeprefix(source.BOM)
        if not self._head.strip():
            raise CaptureError(str(self.path), 0, "the file is empty")
        self._text: text.TextFormat | None = None
        known = binary.recognise(self._head)
        if known is None:
            # the first line that is not blank decides; readers number blank lines too
            line = self._head.lstrip(b"\r\n").split(b"\n", 1)[0].rstrip(b"\r")
            self._text = text.recognise(line)
            if self._text is None:
                shown = line[:60].decode("utf-8", "replace")
                raise CaptureError(str(self.path), 1, f"no known capture format begins with {shown!r}")
            known = self._text.name
        self.format = known

    def __iter__(self) -> Iterator[Frames]:
        n = 0
        blocks = self._text_blocks(self._text) if self._text else self._binary_blocks()
        with self._stream:
            for frames, bad in blocks:
                if bad and self._strict:
                    raise CaptureError(str(self.path), bad[0].line, f"{bad[0].column}: {bad[0].reason}")
                self.bad += bad
                n += len(frames.t)
                if len(frames.t):
                    yield frames
        if not n and not self.bad:
            raise CaptureError(str(self.path), 0, "no frames")
        if not self._strict:
            write_quarantine(self._side, self.bad)

    def _binary_blocks(self) -> Iterator[tuple[Frames, list[BadRow]]]:
        return binary.blocks(self.format, self.path, source.read_all(self.path, self._stream, self._head))

    def _text_blocks(self, format: text.TextFormat) -> Iterator[tuple[Frames, list[BadRow]]]:
        line = 1
        header = format.header
        pool = ThreadPoolExecutor(self._threads) if self._threads > 1 else None
        try:
            for block, cut in source.line_blocks(self.path, self._stream, self._head, self._block):
                while header and len(block):  # after any blank lines before it
                    end = int(np.argmax(block == 10)) + 1
                    header -= bool(block[:end].tobytes().strip())
                    block, line = block[end:], line + 1
                if not len(block):
                    continue
                frames, bad, lines = text.parse(format, block, line, self._strict, pool, self._threads)
                line += lines
                if cut and bad and bad[-1].line == line - 1:
                    bad[-1] = replace(bad[-1], reason=f"{bad[-1].reason}; the file ends within this line")
                yield frames, bad
        finally:
            if pool is not None:
                pool.shutdown()


def read(path: Path | str, *, on_bad_rows: OnBadRows = "raise", quarantine: Path | None = None) -> pa.Table:
    """All frames of the capture at `path` (schema `FRAME_SCHEMA`), see `CaptureReader` for formats and arguments.

    The table's metadata says how many rows were set aside: see `quarantined`.

    Raises:
        CaptureError: no capture of a known format, or (strict, the default) a bad row: file, line, column, reason.
    """
    reader = CaptureReader(path, on_bad_rows=on_bad_rows, quarantine=quarantine)
    parts = list(reader)
    frames = Frames(*(np.concatenate(columns) for columns in zip(*parts, strict=True))) if parts else Frames.empty(0)
    return frame_table(*frames).replace_schema_metadata({"quarantined": str(len(reader.bad))})


def quarantined(table: pa.Table) -> int:
    """Rows that were set aside when `table` was read."""
    return int((table.schema.metadata or {}).get(b"quarantined", 0))
