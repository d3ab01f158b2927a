"""`kdgat trace KEY`: from a number back to its rows, runs, code, configuration and data; `kdgat trace 0.893`: to its key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from analysis.claims import prose
from analysis.claims.evaluate import matches
from analysis.claims.grammar import parse
from analysis.claims.judged import Judged, in_words, judged
from analysis.numbers import KeyUnknown, Numbers, trace
from analysis.reference.format import slug
from analysis.reference.sources import sources, uses
from analysis.releases.release import Release
from analysis.tables import results
from kdgat.errors import KdgatError
from kdgat.front_door import start
from kdgat.paths import REPO

#: a number as a reader sees it, and no key
_VALUE = re.compile(r"[-+\N{MINUS SIGN}]?[\d,]*\.?\d+ ?%?")
#: places of a value that are listed
_LISTED = 20


def run(key: str | None = None, release: str | None = None, *, as_json: bool = False) -> int:
    """Print where the number `key` of a release (None: the current one) comes from; without a key, list all keys.

    Of a value instead of a key, list the places that show it. Returns the exit code 0; raises `KdgatError` for an unknown
    key or release, or a value that stands nowhere.
    """
    numbers = Numbers(Release.open(release))
    if key is None:
        keys = list(numbers.keys())
        print(json.dumps(keys, indent=1) if as_json else "\n".join(keys))
        return 0
    if _VALUE.fullmatch(key):
        return _list_places(numbers, key, as_json=as_json)
    try:
        number = numbers[key]
    except KeyUnknown as error:
        raise KdgatError(
            f"{error}; `kdgat trace` lists all keys, and a number on the site shows its own when clicked"
        ) from None
    document = trace.document(numbers, [key]) | {"claims": [j.trace(REPO) for j in _resting_on(numbers, key)]}
    if as_json:
        print(json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False))
        return 0
    print(
        f"{number.key} = {prose.plain(number.text, str)}"
        + (f"   95 % interval {number.interval}" if number.interval else "")
    )
    print(
        f"release     {document['release']} ({document['data_kind']} data), manifest sha256 {document['manifest_sha256']}"
    )
    print(f"query       {number.query}")
    for row in trace.rows(numbers.release, number):
        print(f"row         {json.dumps(row, ensure_ascii=False)}")
    for run in document["numbers"][number.key]["runs"]:
        facts = document["runs"][run]
        print(f"run         {run}: {facts['stage']} {facts['model']}, seed {facts['seed']}, {facts['started']}")
        for address in facts["links"].values():
            print(f"            {address}")
    for label, column in (
        ("commit", "commit"),
        ("configuration", "config_hash"),
        ("data", "data_hash"),
        ("lock", "lock_hash"),
    ):
        for value in sorted({f[column] for f in document["runs"].values()}):
            print(f"{label:11} {value}")
    for difference in {json.dumps(f["config_diff"]) for f in document["runs"].values() if f["config_diff"]}:
        print(f"differs from its preset: {difference}")
    print(f"recompute   {document['numbers'][number.key]['recompute']}")
    for claim in document["claims"]:
        words = in_words(claim["text"], numbers)
        print(f"claim       {claim['file']}:{claim['line']} ({claim['state']}): {words}")
    return 0


def _list_places(numbers: Numbers, value: str, *, as_json: bool) -> int:
    """Print keys and places of the numbers that are written as `value`; return the exit code 0."""
    found: dict[str, str] = {}
    for key, text, place in _shown(numbers):
        if _bare(text) == _bare(value):
            found.setdefault(key, place)
    if not found:
        raise KdgatError(f"neither text nor tables show {value} from release {numbers.release.name}")
    if as_json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return 0
    for key, place in list(found.items())[:_LISTED]:
        print(f"{key}   {place}")
    if len(found) > _LISTED:
        print(f"and {len(found) - _LISTED} more: --json lists all")
    return 0


def _shown(numbers: Numbers) -> Iterator[tuple[str, str, str]]:
    """Key, written number and place of what the text shows, then of what tables do."""
    for key, file, line in uses(sources(REPO)):
        if key in numbers:
            yield key, numbers[key].text, f"{file.relative_to(REPO)}:{line}"
    for name, table in results.all_tables(numbers.release).items():
        yield from ((key, text, name.replace("_", " ")) for key, text in results.spans(table))


def _bare(text: str) -> str:
    """A number without what only some write: a zero before the point, commas, a plus, a percent sign."""
    text = text.replace("\N{MINUS SIGN}", "-").replace(",", "").strip(" +%")
    return re.sub(r"^(-?)\.", r"\g<1>0.", text)


def _resting_on(numbers: Numbers, key: str) -> list[Judged]:
    """Claims of the sources that name the key, by itself or among others."""
    names = {key, key.replace(f"{slug(numbers.main_dataset)}.", "main.", 1)}
    resting = [
        claim
        for claim in prose.stated(sources(REPO))
        if any(matches(name, used.replace("@", "*")) for used in parse(claim.assertion).keys for name in names)
    ]
    return judged(numbers, resting, REPO)


if __name__ == "__main__":
    start("trace")
