"""Download of datasets from Bitbucket: resumable, checked against the announced sizes and the catalog's checksums."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

from kdgat import terminal
from kdgat.catalog import datasets
from kdgat.errors import KdgatError

API = "https://api.bitbucket.org/2.0/repositories"
RAW = "https://bitbucket.org"
_TIMEOUT = 60  # s without a byte
_ATTEMPTS = 5
#: of all files of a dataset; pages of a listing, and bytes of one
_MOST_BYTES, _MOST_PAGES, _LONGEST_PAGE = 1 << 38, 1000, 16 << 20


def fetch(dataset: str, root: Path | None = None, *, api: str = API, raw: str = RAW) -> None:
    """Download all captures of `dataset` that are not there yet into its folder; of a union, those of its members.

    A file appears under its name only when it is whole; what an interrupted download left (`….part`) is gone on with.

    Raises:
        KdgatError: no such dataset; or the source cannot be reached or sends something else: says what to download by
            hand and where to put it.
    """
    if dataset in datasets.unions():
        for member in datasets.members(dataset):
            fetch(member, root, api=api, raw=raw)
        return
    if dataset not in datasets.entries():
        raise KdgatError(f"no dataset is called {dataset!r}; known: {', '.join(datasets.entries())}")
    entry = datasets.entries()[dataset]
    repository, source = entry["bitbucket"]
    folder = datasets.root_folder(root) / entry["folder"]
    expected = entry.get("expected", {})
    try:
        files = list(_list(f"{api}/{repository}/src/master", source))
        total = sum(size for _, size in files)
        if len({path for path, _ in files}) < len(files) or total > _MOST_BYTES:
            raise ValueError(f"{len(files)} files of {total} bytes, some twice or more than any dataset has")
        print(f"{dataset}: {len(files)} files, {total / 1e6:,.0f} MB, into {folder} ({entry['licence']})")
        done = 0
        for path, size in files:
            name = PurePosixPath(path).relative_to(source).as_posix()
            target = folder / name
            if not (target.exists() and target.stat().st_size == size):
                url = f"{raw}/{repository}/raw/master/{quote(path)}"
                _download(url, target, size, expected.get(name, {}).get("sha256"), done, total)
            done += size
            terminal.progress(done, total, name)
        print()
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError, RecursionError) as error:
        # a server may send anything: lists for objects, pages without an end, words for sizes
        reason = str(error)[:200] or type(error).__name__
        raise KdgatError(
            f"{dataset} cannot be fetched ({reason}); by hand:\n{datasets.by_hand(dataset, root)}"
        ) from None


class _SameScheme(urllib.request.HTTPRedirectHandler):
    """Follow redirects to the scheme that was asked for alone, and from http to https."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Make the request that a redirect asks for; raises `ValueError` where it leads elsewhere."""  # type: ignore[no-untyped-def]
        if urlsplit(newurl).scheme not in {req.type, "https"}:
            raise ValueError(f"it leads to {newurl[:80]!r}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(url: str, headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
    """Ask by http or https, nothing else: an answer may name any address, also that of a file."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"it leads to {url[:80]!r}")
    answer = urllib.request.build_opener(_SameScheme).open(
        urllib.request.Request(url, headers=headers or {}), timeout=_TIMEOUT
    )
    assert isinstance(answer, http.client.HTTPResponse)
    return answer


def _list(base: str, folder: str, seen: set[str] | None = None) -> Iterator[tuple[str, int]]:
    """(path, bytes) of the CSV files below a folder of the repository; `seen`: addresses that were asked already."""
    url: str | None = f"{base}/{quote(folder)}/?pagelen=100"
    seen = set() if seen is None else seen
    while url:
        if (
            not isinstance(url, str)
            or url in seen
            or len(seen) >= _MOST_PAGES
            or urlsplit(url)[:2] != urlsplit(base)[:2]
        ):
            raise ValueError(f"strange next page {str(url)[:80]!r}")
        seen.add(url)
        with _open(url) as answer:
            page = json.loads(answer.read(_LONGEST_PAGE))
        for item in page["values"]:
            if not isinstance(item["path"], str):
                raise ValueError(f"strange file name {str(item['path'])[:80]!r}")
            if item["type"] == "commit_directory":
                yield from _list(base, item["path"], seen)
            elif item["path"].lower().endswith((".csv", ".txt")):
                parts = PurePosixPath(item["path"]).parts
                if ".." in parts or parts[0] == "/":  # a name may not lead out of the folder
                    raise ValueError(f"strange file name {item['path']!r}")
                if type(item["size"]) is not int or not 0 <= item["size"] <= _MOST_BYTES:
                    raise ValueError(f"strange size {str(item['size'])[:40]!r} of {item['path']!r}")
                yield item["path"], item["size"]
        url = page.get("next")


def _download(url: str, target: Path, size: int, sha256: str | None, done: int, total: int) -> None:
    """One file, gone on with where an earlier attempt stopped."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    for attempt in range(_ATTEMPTS):
        have = part.stat().st_size if part.exists() else 0
        if have > size:
            part.unlink()
            have = 0
        try:
            if have < size:
                _receive(url, part, have, size, done + have, total)
        except (OSError, http.client.HTTPException) as error:
            # a refusal stays one; a broken connection is tried again
            if isinstance(error, urllib.error.HTTPError) or attempt == _ATTEMPTS - 1:
                raise
        if part.exists() and part.stat().st_size == size:
            break
    else:
        raise OSError(f"{url}: {part.stat().st_size if part.exists() else 0} of {size} bytes")
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    if sha256 and digest != sha256:
        part.unlink()
        raise ValueError(f"{url}: sha256 {digest}, not {sha256}")
    os.replace(part, target)


def _receive(url: str, part: Path, have: int, size: int, done: int, total: int) -> None:
    """Append what the server sends to `part`, from byte `have` on; all of it anew if it does not know ranges.

    Raises:
        ValueError: it sends more than the `size` that it announced.
    """
    with _open(url, {"Range": f"bytes={have}-"} if have else {}) as answer:
        if have and answer.status != 206:
            done, have = done - have, 0
        with part.open("ab" if have else "wb") as file:
            while data := answer.read(1 << 16):
                have += len(data)
                if have > size:
                    raise ValueError(f"{url} is longer than the {size} bytes that were announced")
                file.write(data)
                done += len(data)
                terminal.progress(done, total, part.name)
