"""`python -m analysis.trace KEY`: from a number back to its rows, runs, code, configuration and data."""

from __future__ import annotations

import json

from analysis.numbers import Numbers, trace
from analysis.releases.release import Release
from kdgat.front_door import start


def run(key: str | None = None, release: str | None = None, *, as_json: bool = False) -> int:
    """Print where the number `key` of a release (None: the current one) comes from; without a key, list all keys.

    Returns the exit code 0; raises `KdgatError` for an unknown key or release.
    """
    numbers = Numbers(Release.open(release))
    if key is None:
        keys = list(numbers.keys())
        print(json.dumps(keys, indent=1) if as_json else "\n".join(keys))
        return 0
    number = numbers[key]
    found = trace.document(numbers, [key])
    if as_json:
        print(json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False))
        return 0
    print(f"{number.key} = {number.text}" + (f"   95 % interval {number.interval}" if number.interval else ""))
    print(f"release     {found['release']} ({found['data_kind']} data), manifest sha256 {found['manifest_sha256']}")
    print(f"query       {number.query}")
    for row in trace.rows(numbers.release, number):
        print(f"row         {json.dumps(row, ensure_ascii=False)}")
    for run in found["numbers"][number.key]["runs"]:
        facts = found["runs"][run]
        print(f"run         {run}: {facts['stage']} {facts['model']}, seed {facts['seed']}, {facts['started']}")
        for address in facts["links"].values():
            print(f"            {address}")
    for label, column in (
        ("commit", "commit"),
        ("configuration", "config_hash"),
        ("data", "data_hash"),
        ("lock", "lock_hash"),
    ):
        for value in sorted({f[column] for f in found["runs"].values()}):
            print(f"{label:11} {value}")
    for changed in {json.dumps(f["config_diff"]) for f in found["runs"].values() if f["config_diff"]}:
        print(f"differs from its preset: {changed}")
    print(f"recompute   {found['numbers'][number.key]['recompute']}")
    return 0


if __name__ == "__main__":
    start("trace")
