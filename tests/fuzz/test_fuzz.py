"""Ten thousand damaged inputs at every border: an error in one line or a sound result; never a crash, a hang, a flood.

Cases are the same on every machine (derandomised); `make soak` runs a million fresh ones (`python -m tests.fuzz`).
"""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import CORPUS, NAMES, Target, capture, mutate, targets

#: cases by target: where most of the code and most of the strangers are
CASES = {"captures": 5000, "queries": 400, "student description": 300, "student tensors": 300}
OTHERS = 600
#: processor seconds of one case
LONGEST = 1.0
#: bytes of memory over what was in use, besides ten times the input
MEMORY = 64 << 20


@pytest.fixture(scope="module")
def borders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Target]:
    return targets(tmp_path_factory.mktemp("borders"))


def test_every_border_is_named_here_and_cases_are_ten_thousand(borders: dict[str, Target]) -> None:
    assert sorted(NAMES) == sorted(borders)
    assert sum(CASES.get(name, OTHERS) for name in NAMES) >= 10_000


@pytest.mark.parametrize("name", NAMES)
def test_damaged_input(name: str, borders: dict[str, Target], tmp_path: Path) -> None:
    target = borders[name]
    # what is imported and compiled late, is
    whole = [target.run(seed, tmp_path) for seed in target.seeds]
    assert whole[0], "the undamaged input is accepted"
    accepted = refused = largest = 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    @settings(
        max_examples=CASES.get(name, OTHERS), deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.binary(min_size=1, max_size=33))
    def run(program: bytes) -> None:
        nonlocal accepted, refused, largest
        data = mutate(target.seeds, program)
        largest = max(largest, len(data))
        begin = time.process_time()
        if target.run(data, tmp_path):
            accepted += 1
        else:
            refused += 1
        if time.process_time() - begin > LONGEST:
            # a collection of garbage may have fallen into it: what hangs does so again
            begin = time.process_time()
            target.run(data, tmp_path)
            assert time.process_time() - begin < LONGEST, f"{len(data)} bytes"

    run()
    growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert growth < MEMORY + 10 * largest, f"{growth >> 20} MiB more for at most {largest} bytes"
    assert refused > 20 and accepted, "the damage is neither always fatal nor always harmless"


@pytest.mark.parametrize("file", sorted((CORPUS / "found").glob("*")), ids=lambda p: p.name)
def test_what_was_found_stays_mended(file: Path, borders: dict[str, Target], tmp_path: Path) -> None:
    name = file.name.split("--")[0].replace("_", " ")
    begin = time.process_time()
    borders[name].run(file.read_bytes(), tmp_path)
    assert time.process_time() - begin < LONGEST


def test_a_crash_is_a_find(tmp_path: Path) -> None:
    """The harness itself: what is no `KdgatError` goes through."""

    def accept(data: bytes, folder: Path) -> None:
        data[1000]

    with pytest.raises(IndexError):
        Target("broken", [b""], accept).run(b"x", tmp_path)


def test_the_corpus_is_accepted_and_generated(tmp_path: Path) -> None:
    for file in sorted((CORPUS / "captures").iterdir()):
        capture(file.read_bytes(), tmp_path)
