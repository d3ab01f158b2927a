"""What strangers hand us, as functions of bytes: each returns, or raises a `KdgatError`; anything else is a find.

A case is a *program* that changes a file of the corpus (`mutate`): the same bytes drive Hypothesis, atheris and the plain
loop of the soak.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from analysis import import_results
from analysis.checks import released
from analysis.freeze import freeze
from analysis.releases.release import Release
from kdgat.captures import attack_intervals
from kdgat.captures.reader import CaptureReader, read
from kdgat.catalog import download
from kdgat.errors import KdgatError
from tests.analysis import fake_run

CORPUS = Path(__file__).parent / "corpus"
#: what formats are made of, and what breaks parsers
TOKENS = [
    *(b"\n", b"\r\n", b"\0", b",", b" ", b"#", b"(", b")", b'"', b"\xff", b"\xef\xbb\xbf", b"-", b".", b"e308", b"nan"),
    *(b"inf", b"-1", b"0", b"99999999999999999999", b"1FFFFFFF", b"20000000", b"R", b"T", b"DLC: ", b"##1", b"00" * 65),
    *(b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1", b"LOGG", b"LOBJ", b"{", b"}", b"[", b"]", b":", b"null", b"../", b"\xf0\x9f"),
    *(b"\x00\x00\x00\x00\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"1e9", b"timestamp", b"Timestamp: "),
]  # fmt: skip


def mutate(seeds: list[bytes], program: bytes) -> bytes:
    """One of `seeds`, changed by `program`: its first byte chooses, then every four bytes are one change.

    A change is (what, where hi, where lo, argument): flip a bit, overwrite, delete, repeat, insert a token, cut the end,
    splice with another seed.
    """
    if not program:
        return seeds[0]
    data = bytearray(seeds[program[0] % len(seeds)])
    for at in range(1, len(program) - 3, 4):
        what, where, argument = program[at], int.from_bytes(program[at + 1 : at + 3], "big"), program[at + 3]
        place = where % (len(data) + 1)
        match what % 7:
            case 0 if place < len(data):
                data[place] ^= 1 << argument % 8
            case 1 if place < len(data):
                data[place] = argument
            case 2:
                del data[place : place + 1 + argument]
            case 3:
                data[place:place] = data[place : place + 1 + argument] * (1 + argument % 5)
            case 4:
                data[place:place] = TOKENS[argument % len(TOKENS)]
            case 5:
                del data[place:]
            case 6:
                other = seeds[argument % len(seeds)]
                data[place:] = other[where % (len(other) + 1) :]
    return bytes(data)


@dataclass(frozen=True)
class Target:
    """A border of the project.

    Attributes:
        seeds: whole inputs that are accepted.
        accept: reads bytes as a stranger's input, in a folder of its own.
    """

    name: str
    seeds: list[bytes]
    accept: Callable[[bytes, Path], None]

    def run(self, data: bytes, folder: Path) -> bool:
        """Whether `data` was accepted; errors that a person can act on are not."""
        try:
            self.accept(data, folder)
        except KdgatError as error:
            text = str(error)
            assert text and "\n" not in text and len(text) < 2000, f"not one line that can be shown: {text[:200]!r}"
            return False
        return True


def files(name: str) -> list[bytes]:
    """The corpus of a target, in the order of its names."""
    return [p.read_bytes() for p in sorted((CORPUS / name).iterdir())]


def capture(data: bytes, folder: Path) -> None:
    """Any capture format, strictly and with bad rows set aside; the frames that come out keep their promises."""
    path = folder / "capture"
    path.write_bytes(data)
    strict: KdgatError | None = None
    try:
        frames = sum(len(block.timestamp) for block in CaptureReader(path, block=4096))
    except KdgatError as error:
        strict = error
    total = 0
    for block in CaptureReader(path, on_bad_rows="quarantine", block=4096):
        total += len(block.timestamp)
        assert (block.dlc <= 8).all() and (block.id < 1 << 29).all() and (block.label <= 1).all()
        assert (block.timestamp == block.timestamp).all(), "a time that is not a number"
    (folder / "capture.quarantine.csv").unlink(missing_ok=True)
    if strict is not None:
        raise strict
    assert total == frames, f"{frames} frames strictly, {total} with bad rows set aside, of which there are none"


class Releases:
    """A release of which one file is replaced by a stranger's; its manifest vouches for the new bytes."""

    def __init__(self, release: Path) -> None:
        self.release = release
        self.manifest = json.loads((release / "manifest.json").read_text())

    def _copy(self, folder: Path) -> Path:
        path = folder / self.release.name
        if not path.exists():
            shutil.copytree(self.release, path)
        return path

    def table(self, name: str) -> Callable[[bytes, Path], None]:
        """`<name>.parquet` as a stranger made it."""

        def accept(data: bytes, folder: Path) -> None:
            path = self._copy(folder)
            entry = self.manifest["tables"][name] | {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            tables = self.manifest["tables"] | {name: entry}
            (path / "manifest.json").write_text(json.dumps(self.manifest | {"tables": tables}))
            (path / f"{name}.parquet").write_bytes(data)
            Release(path).table(name)

        return accept

    def manifests(self, data: bytes, folder: Path) -> None:
        """`manifest.json` as a stranger made it; whatever is accepted can be walked without surprises."""
        path = self._copy(folder)
        (path / "manifest.json").write_bytes(data)
        release = Release(path)
        for file in release.files():
            assert (path / file).resolve().is_relative_to(path.resolve()), file
        for name in release.tables:
            release.check_size(name)


class Students:
    """The weights of a released student, of which one file is a stranger's."""

    def __init__(self, release: Path) -> None:
        stem = sorted(release.glob("weights/*/gat-student-s*.json"))[0]
        self.description, self.weights = stem.read_bytes(), stem.with_suffix(".safetensors").read_bytes()

    def descriptions(self, data: bytes, folder: Path) -> None:
        """Its JSON as a stranger made it."""
        released.parse("fuzz", data, self.weights)[0].model()

    def tensors(self, data: bytes, folder: Path) -> None:
        """Its safetensors as a stranger made them."""
        released.parse("fuzz", self.description, data)[0].model()


def metrics(data: bytes, folder: Path) -> None:
    """`import-results`."""
    path = folder / "old.csv"
    path.write_bytes(data)
    for row in import_results.parse(path):
        assert all(name and "<" not in name and "/" not in name for name in row.key)


def query(release: Path) -> Callable[[bytes, Path], None]:
    """`analysis.sql`: a query that a link or a colleague gave."""
    opened = Release(release)

    def accept(data: bytes, folder: Path) -> None:
        opened.rows(data.decode("utf-8", "replace"))

    return accept


def intervals(data: bytes, folder: Path) -> None:
    """The file beside a capture that says when its attack ran."""
    path = folder / "beside.log"
    path.write_text("".join(f"({k / 100:.2f}) can0 123#00\n" for k in range(100)))
    path.with_name(path.name + attack_intervals.SUFFIX).write_bytes(data)
    assert set(attack_intervals.labelled(read(path), path)["label"].to_pylist()) <= {0, 1}


def listing(data: bytes, folder: Path) -> None:
    """A page of the listing that a server of captures answers."""
    address = mock.MagicMock()
    address.return_value.__enter__.return_value.read.return_value = data
    fetched: list[Path] = []
    replaced = {"_open": address, "_download": lambda url, target, *_: fetched.append(target)}
    try:
        with mock.patch.multiple(download, **replaced), contextlib.redirect_stdout(io.StringIO()):
            download.fetch("set_04", folder)
    except KdgatError as error:  # behind it, what to do by hand
        raise KdgatError(str(error).partition("\n")[0]) from None
    assert all(path.resolve().is_relative_to(folder.resolve()) for path in fetched)


#: the borders, by name; what `targets` makes
NAMES = (
    *("captures", "table runs", "table summary", "table operating_points", "manifest"),
    *("student description", "student tensors", "imported metrics", "queries", "attack intervals", "catalog listing"),
)


def targets(folder: Path) -> dict[str, Target]:
    """All borders; the release that is damaged, of today's format, is frozen into `folder` from a made-up run.

    A small one: a damaged query that joins a table with itself takes as long as the table is large. Its student is the current
    release's.
    """
    release = freeze("damaged", *fake_run.make(), root=folder).path
    releases, students = Releases(release), Students(Release.open().path)
    tables = {name: (release / f"{name}.parquet").read_bytes() for name in ("runs", "summary", "operating_points")}
    manifest = (release / "manifest.json").read_bytes()
    rows = b"dataset,scenario,model,metric,value,protocol\nhcrl-sa,test_01,cnn,f1,0.5,zero-shot\n"
    sql = [
        b"select * from summary where metric = 'f1' limit 3",
        b"with t as (select model, mean from summary) select * from t union all select 'x', 1.0 order by 1 limit 5",
        b"copy runs to 'x.csv'; attach 'x.db'; select * from read_csv('/etc/passwd')",
    ]
    page = {"type": "commit_file", "path": "set_04/test_01/DoS-1.csv", "size": 3}
    pages = [
        {"values": [page, {"type": "commit_directory", "path": "set_04"}]},
        {"values": [page], "next": "https://api.bitbucket.org/"},
    ]
    targets = [
        Target("captures", files("captures"), capture),
        *(Target(f"table {name}", [data, *tables.values()], releases.table(name)) for name, data in tables.items()),
        Target("manifest", [manifest], releases.manifests),
        Target("student description", [students.description], students.descriptions),
        Target("student tensors", [students.weights], students.tensors),
        Target("imported metrics", [rows], metrics),
        Target("queries", sql, query(release)),
        Target("attack intervals", [b'{"intervals_s": [[0.1, 0.2], [0.15, 4e-1]]}'], intervals),
        Target(
            "catalog listing",
            [json.dumps({"values": [page]}).encode(), *(json.dumps(p).encode() for p in pages)],
            listing,
        ),
    ]
    return {target.name: target for target in targets}
