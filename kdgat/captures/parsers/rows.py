"""One row at a time, as pandas, spreadsheets and other recorders write them: slow, and for what the kernels refuse.

A value is read where its meaning is beyond doubt: `0x1A`, `False`, `1.0`, `1.5e-05`, bytes with spaces, dots or colons.
"""

from __future__ import annotations

import base64
import binascii
import csv
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

#: time in seconds, ID, data, label
Row: TypeAlias = tuple[float, int, bytes, int]

_NUMBER = re.compile(r"\d+(?:\.\d*)?(?:e[-+]?\d+)?", re.IGNORECASE)
_LABELS = {
    **dict.fromkeys(("0", "0.0", "false", "r", "normal", "benign"), 0),
    **dict.fromkeys(("1", "1.0", "true", "t", "attack", "injected"), 1),
}
_LEN8 = re.compile(r"(?P<data>[0-9a-f]{16})_[9-f]", re.IGNORECASE)
_CANDUMP = re.compile(r"\((?P<t>\S+)\)\s+\S+\s+(?P<id>[0-9a-f]+)#(?P<data>[0-9a-f._]*)(?:\s+[RT])?", re.IGNORECASE)


#: digits of a number of a frame
_DIGITS = 10


def integer(text: str, base: int, what: str) -> int:
    """A number of a frame; raises `ValueError` that says `what` is none."""
    if len(text) > _DIGITS:
        raise ValueError(f"{what} {text[:20]!r} of over {_DIGITS} digits")
    try:
        return int(text, base)
    except ValueError:
        raise ValueError(f"{what} {text!r} is not a number of base {base}") from None


def payload(words: list[str], base: int) -> bytes:
    """Bytes of a frame; raises `ValueError` for a word that is none."""
    values = [integer(word, base, "byte") for word in words]
    if odd := next((value for value in values if value > 255), None):
        raise ValueError(f"byte {odd} over 255")
    return bytes(values)


def _time(text: str) -> float:
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError(f"{text[:40]!r} is not a number of seconds")
    return float(text)


def _identifier(text: str) -> int:
    value = int(text, 16) if re.fullmatch(r"(?:0x)?[0-9a-f]+", text, re.IGNORECASE) else 1 << 29
    if value >= 1 << 29:
        raise ValueError(f"{text!r} is not a hexadecimal ID of at most 29 bits")
    return value


def _bytes(text: str) -> bytes:
    if match := _LEN8.fullmatch(text):  # a classic frame with a DLC over 8 holds 8 bytes (ISO 11898-1)
        text = match["data"]
    digits = re.sub(r"0x(?=[0-9a-f]{2}\b)|[\s.:]", "", text, flags=re.IGNORECASE)
    if not re.fullmatch(r"(?:[0-9a-fA-F]{2}){0,8}", digits):
        raise ValueError(f"{text!r} is not up to eight hexadecimal bytes")
    return bytes.fromhex(digits)


def _label(text: str) -> int:
    if text.lower() not in _LABELS:
        raise ValueError(f"{text!r} is neither 0 nor 1")
    return _LABELS[text.lower()]


def _fields(line: str, delimiter: str) -> list[str]:
    """Fields of a line without the spaces and quotes around them; raises `ValueError` for one that is no text of a table."""
    try:
        return [field.strip() for field in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error as error:
        raise ValueError(str(error)) from None


def _delimiter(line: str) -> str:
    """The first of comma, semicolon and tab that a line has; a comma where it has none."""
    return next((d for d in ",;\t" if d in line), ",")


def labelled(line: str, option: int) -> Row:
    """A row of `timestamp,arbitration_id,data_field,attack`. Raises `ValueError` where its meaning is in doubt."""
    del option  # of the kernel's
    t, identifier, data, label = _fields(line, ",")
    return _time(t), _identifier(identifier), _bytes(data), _label(label)


def hcrl(line: str, flagged: int) -> Row:
    """A row of `time,ID,DLC,byte,…`, with a flag if the file is `flagged`, maybe lower-case. Raises `ValueError` likewise."""
    t, identifier, dlc, *rest = _fields(line, _delimiter(line))
    length = integer(dlc, 10, "DLC")
    words = [word for field in rest for word in field.split()]
    if not 0 <= length <= 8 or len(words) < length:
        raise ValueError("fewer bytes than the DLC says")
    flags = [word for word in words[length:] if word.upper() in ("R", "T")]
    if len(flags) != flagged:
        raise ValueError(f"{len(flags)} flags")
    return _time(t), _identifier(identifier), _bytes(" ".join(words[:length])), _label(*flags) if flags else 0


def candump(line: str, option: int) -> Row:
    """A row of `(time) interface ID#DATA` whose bytes may be separated by dots, or followed by the DLC of a frame of 8."""
    del option
    match = _CANDUMP.fullmatch(line.strip())
    if match is None:
        raise ValueError("not a frame of candump")
    return _time(match["t"]), _identifier(match["id"]), _bytes(match["data"]), 0


#: kernel of a text format → how a row is read that the kernel refuses, from the row and the kernel's option
TOLERANT: dict[str, Callable[[str, int], Row]] = {"labelled_csv": labelled, "hcrl_text": hcrl, "candump": candump}


#: what a column is → names it goes by, lower-case, without spaces and underscores
_NAMES = {
    "time": ("timestamp", "time", "timestampepoch", "timestamp(s)", "time(s)"),
    "id": ("arbitrationid", "id", "canid", "identifier"),
    "dlc": ("dlc", "len", "length", "datalength"),
    "data": ("datafield", "data", "databytes", "payload"),
    "label": ("attack", "label", "flag", "class"),
    "channel": ("bus", "channel", "buschannel"),
    "remote": ("remote",),
    "error": ("error",),
    "fd": ("edl",),
}
_BYTE = re.compile(r"(?:d|data|byte)(\d)")
#: names of SavvyCAN's GVRET files, whose times are microseconds, and of python-can's CSV, whose data is base64
_GVRET, _PYTHON_CAN = ("timestamp", "id", "extended", "dir", "bus", "len"), ("timestamp", "arbitrationid", "extended")


@dataclass(frozen=True)
class Header:
    """Columns of a delimited file with a header.

    Attributes:
        delimiter: between two fields.
        at: what a column is → its place.
        bytes_at: places of the columns of single bytes, in their order.
        scale: seconds in a unit of time.
        packed: whether data is base64.
    """

    delimiter: str
    at: Mapping[str, int]
    bytes_at: tuple[int, ...]
    scale: float = 1.0
    packed: bool = False

    @staticmethod
    def of(line: str) -> Header | None:
        """Read the header of a file; None if it is none that tells time, ID and data."""
        delimiter = _delimiter(line)
        try:
            names = [re.sub(r"[\s_]", "", name.lower()) for name in _fields(line, delimiter)]
        except ValueError:
            return None
        at: dict[str, int] = {}
        for what, known in _NAMES.items():
            for place in (i for i, name in enumerate(names) if name in known):
                at.setdefault(what, place)
        single = sorted((int(m[1]), i) for i, name in enumerate(names) if (m := _BYTE.fullmatch(name)))
        if not {"time", "id"} <= set(at) or not (single or "data" in at):
            return None
        return Header(
            delimiter, at, tuple(i for _, i in single),
            1e-6 if tuple(names[:6]) == _GVRET else 1.0, tuple(names[:3]) == _PYTHON_CAN,
        )  # fmt: skip

    def row(self, fields: Sequence[str]) -> tuple[Row, str]:
        """A row and its channel (empty: the file has no such column).

        Raises:
            ValueError: it is no frame of classic CAN, or its meaning is in doubt.
        """
        fields = [field.strip() for field in fields]
        cells = {what: fields[place] for what, place in self.at.items() if place < len(fields)}
        if not {"time", "id"} <= set(cells):
            raise ValueError(f"{len(fields)} columns are not those of the header")
        if cells.get("error", "0").lower() in ("1", "true"):
            raise ValueError("an error frame, which is no traffic")
        if cells.get("fd", "0").lower() in ("1", "true"):
            raise ValueError("a CAN FD frame")
        remote = cells.get("remote", "0").lower() in ("1", "true")
        label = _label(self._flag(cells, fields)) if "label" in self.at else 0
        data = b"" if remote else self._data(cells, fields)
        return (self.scale * _time(cells["time"]), _identifier(cells["id"]), data, label), cells.get("channel", "")

    def _flag(self, cells: Mapping[str, str], fields: Sequence[str]) -> str:
        """The label; in a row that is short because its DLC is, it is the last field."""
        return cells["label"] if cells.get("label") else next((f for f in reversed(fields) if f), "")

    def _data(self, cells: Mapping[str, str], fields: Sequence[str]) -> bytes:
        length = integer(cells["dlc"], 16, "DLC") if cells.get("dlc") else None
        if self.packed:
            try:
                data = base64.b64decode(cells.get("data", ""), validate=True)
            except binascii.Error:
                raise ValueError(f"{cells['data']!r} is not base64, as python-can writes data") from None
        elif self.bytes_at:
            single = [fields[i] for i in self.bytes_at if i < len(fields)]
            data = _bytes(" ".join(single[: 8 if length is None else length]))
        else:
            data = _bytes(cells.get("data", ""))
        if len(data) > 8:
            raise ValueError(f"{len(data)} bytes: classic CAN has up to eight")
        if length is not None and len(data) < min(length, 8):
            raise ValueError(f"{len(data)} bytes, but the DLC says {length}")
        return data if length is None else data[:length]
