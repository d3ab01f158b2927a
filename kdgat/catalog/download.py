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
from urllib.parse import quote

from kdgat import terminal
from kdgat.catalog import datasets
from kdgat.errors import KdgatError

API = "https://api.bitbucket.org/2.0/repositories"
RAW = "https://bitbucket.org"
_TIMEOUT = 60  # s without a byte
_ATTEMPTS = 5


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
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        raise KdgatError(
            f"{dataset} cannot be fetched ({error}); by hand:\n{datasets.by_hand(dataset, root)}"
        ) from None


def _list(base: str, folder: str) -> Iterator[tuple[str, int]]:
    """(path, bytes) of the CSV files below a folder of the repository."""
    url: str | None = f"{base}/{quote(folder)}/?pagelen=100"
    while url:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
            page = json.load(answer)
        for item in page["values"]:
            if item["type"] == "commit_directory":
                yield from _list(base, item["path"])
            elif item["path"].lower().endswith((".csv", ".txt")):
                parts = PurePosixPath(item["path"]).parts
                if ".." in parts or parts[0] == "/":  # a name may not lead out of the folder
                    raise ValueError(f"strange file name {item['path']!r}")
                yield item["path"], int(item["size"])
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
                _receive(url, part, have, done, total)
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


def _receive(url: str, part: Path, have: int, done: int, total: int) -> None:
    """Append what the server sends to `part`, from byte `have` on; all of it anew if it does not know ranges."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
        if have and answer.status != 206:
            have = 0
        with part.open("ab" if have else "wb") as file:
            while data := answer.read(1 << 16):
                file.write(data)
                have += len(data)
                terminal.progress(done + have, total, part.name)
