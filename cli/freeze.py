"""`kdgat freeze`."""

from __future__ import annotations

from pathlib import Path

from kdgat.errors import KdgatError


def freeze(
    *,
    run: list[str] | None = None,
    latest: bool = False,
    tag: str | None = None,
    best: bool = False,
    release: str | None = None,
    extend: str | None = None,
    current: bool = False,
    allow_dirty: bool = False,
    allow_synthetic: bool = False,
    mixed_commits: str | None = None,
    min_seeds: int = 1,
    benchmarks: Path | None = None,
    sign: Path | None = None,
) -> int:
    """Publish runs as an immutable release.

    Takes one of --run, --latest and --tag; with --sign also none, for a release that exists.

    Args:
        run: id of a Metaflow run, `<id>` or `<flow>/<id>`; may be repeated.
        latest: take the newest finished run of the flow.
        tag: take all finished runs with this Metaflow tag.
        best: of these runs, take the one whose headline model has the lowest validation loss.
        release: name of the release. [default: local-<run id>]
        extend: name of a release whose models and datasets the new one holds too, but for ablations with fewer seeds.
        current: show this release from now on.
        allow_dirty: accept runs from a work tree with uncommitted changes.
        allow_synthetic: accept runs on synthetic data.
        mixed_commits: accept runs of several commits, for this reason, which is recorded.
        min_seeds: refuse fewer seeds per dataset.
        benchmarks: file of rows that `make bench` kept.
        sign: private key of yours (OpenSSH) by which the release is signed, into data/signatures.
    """
    from analysis import freeze

    policy = freeze.Policy(allow_dirty, allow_synthetic, mixed_commits, min_seeds)
    if sign and not release:
        raise KdgatError("only a release that is published is signed: --release NAME")
    code = 0
    if not sign or run or latest or tag:
        selection = freeze.Selection(run or [], latest, tag, best)
        code = freeze.run(selection, name=release, extend=extend, policy=policy, benchmarks=benchmarks, current=current)
    return freeze.sign(release, sign) if sign and release else code
