"""Claims: their language, what they mean, that each of the sources holds and can be turned, and that a broken one is caught."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import prerender
from analysis.claims import evaluate, judged
from analysis.claims.evaluate import Changed, Estimate, exact, judge, turned_by
from analysis.claims.grammar import Chain, Claim, ClaimError, Each, Key, Literal, Side, parse
from analysis.claims.judged import OfRelease
from analysis.claims.prose import stated
from analysis.claims.words import named_test, words
from analysis.numbers import Numbers
from analysis.reference.sources import sources
from analysis.releases.release import Release
from kdgat.errors import KdgatError
from kdgat.paths import REPO

# ---- the language ------------------------------------------------------------------------------------------------------

PART = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True)
RELATION = st.sampled_from(["<", "<=", "=", ">=", ">", "~"])
LITERAL = st.one_of(
    st.integers(-(10**4), 10**4).map(lambda n: Literal(n / 100)),
    st.from_regex(r"[A-Za-z0-9 .,%-]{0,12}", fullmatch=True).map(Literal),
)


def key(bound: bool) -> st.SearchStrategy[Key]:
    parts = st.lists(PART, min_size=2, max_size=4)
    return parts.map(lambda p: Key(".".join([p[0], "@", *p[1:]] if bound else p)))


def sides(bound: bool) -> st.SearchStrategy[Side]:
    term = st.one_of(key(bound), LITERAL)
    return st.one_of(
        st.builds(Side, st.just("value"), term),
        st.builds(Side, st.just("value"), key(bound), st.sampled_from("-/"), term),
        st.builds(Side, st.just("width"), key(bound)),
        st.builds(Side, st.just("width"), key(bound), st.just("-"), key(bound)),
        st.builds(Side, st.sampled_from(["min", "max"]), key(bound).map(lambda k: Key(f"{k.name}.*_a.b*"))),
    )


def chains(bound: bool) -> st.SearchStrategy[Chain]:
    def chain(first: Side, rest: list[tuple[str, Side]]) -> Chain:
        return Chain((first, *(side for _, side in rest)), tuple(relation for relation, _ in rest))

    more = st.lists(st.tuples(RELATION, sides(bound)), min_size=1, max_size=3)
    begin = sides(bound).filter(lambda s: not bound or "@" in str(s))
    return st.builds(chain, begin, more)


def eaches() -> st.SearchStrategy[Each]:
    values = st.lists(st.from_regex(r"[a-z*][a-z0-9_*]{0,6}", fullmatch=True), min_size=1, max_size=3).map(tuple)
    inside = st.lists(chains(True), min_size=1, max_size=2).map(tuple)
    counted = st.builds(
        Each, st.just("count"), values, inside, st.sampled_from(["<", "<=", "=", ">=", ">"]), st.integers(0, 30)
    )
    return st.one_of(st.builds(Each, st.sampled_from(["all", "any"]), values, inside), counted)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(chains(False), eaches()), min_size=1, max_size=3).map(lambda c: Claim(tuple(c))))
def test_what_is_written_is_read_again(claim: Claim):
    assert parse(str(claim)) == claim


@settings(deadline=None, max_examples=60)
@given(st.one_of(st.text(max_size=60), st.text(alphabet="abc.@*_ ()<>=~:-/'19 andllcount", max_size=80)))
def test_any_text_is_a_claim_or_a_place_in_it(text: str):
    try:
        claim = parse(text)
    except ClaimError as error:
        assert "\n" not in str(error)
    else:
        assert parse(str(claim)) == claim


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a key, a number or a text is missing at its end"),
        ("a.b", "a relation is missing at its end"),
        ("a.b > ", "is missing at its end"),
        ("a.b > 1 or a.b < 2", "`and` or the end is expected at character 9"),
        ("a.b > __import__('os')", "a key, a number or a text is expected at character 7"),
        ("a.@.b > 1", "`@` stands outside"),
        ("all(x: a.b > 1)", "no key of 'a.b > 1' holds `@`"),
        ("all(: a.@ > 1)", "a value that `@` runs over is expected"),
        ("count(x: a.@ > 1) ~ 1", "compared with a whole number"),
        ("count(x: a.@ > 1) = 1.5", "compared with a whole number"),
        ("a.* > 1", "which only min, max"),
        ("width(1) > 1", "width is of a key"),
        ("all(x: all(y: a.@ > 1))", "expected"),
        ("a.b > 1 " + "and a.b > 1 " * 200, "characters"),
    ],
)
def test_what_is_no_claim_names_its_place(text: str, reason: str):
    with pytest.raises(ClaimError) as refused:
        parse(text)
    assert reason in str(refused.value)


# ---- the meaning -------------------------------------------------------------------------------------------------------


class Given:
    """Numbers by key, and differences by pair."""

    def __init__(self, numbers: dict[str, Estimate], pairs: dict[tuple[str, str], Estimate] | None = None) -> None:
        self.numbers, self.pairs = numbers, pairs or {}

    def number(self, key: str) -> Estimate | None:
        return self.numbers.get(key)

    def paired(self, a: str, b: str) -> Estimate | None:
        return self.pairs.get((a, b))

    def every(self, last: str = "") -> Sequence[str]:
        return sorted(key for key in self.numbers if key.endswith(last))


OPERATORS = {"<": operator.lt, "<=": operator.le, "=": operator.eq, ">=": operator.ge, ">": operator.gt}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-3, 3), min_size=4, max_size=4), st.sampled_from(sorted(OPERATORS)), st.integers(0, 4))
def test_of_exact_numbers_it_is_what_python_makes_of_them(numbers: list[int], relation: str, count: int):
    values = Given({f"k.s{i}.v": exact(float(n)) for i, n in enumerate(numbers)})
    holds = [OPERATORS[relation](n, 1) for n in numbers]
    outcomes = {
        f"k.s0.v {relation} 1": holds[0],
        f"k.s0.v - k.s1.v {relation} 1": OPERATORS[relation](numbers[0] - numbers[1], 1),
        f"all(s*: k.@.v {relation} 1)": all(holds),
        f"any(s*: k.@.v {relation} 1)": any(holds),
        f"any(s1 s2: k.@.v {relation} 1)": any(holds[1:3]),
        f"min(k.*.v) {relation} 1": OPERATORS[relation](min(numbers), 1),
        f"max(k.s*.v) {relation} 1": OPERATORS[relation](max(numbers), 1),
        f"k.s0.v {relation} k.s1.v {relation} k.s2.v": OPERATORS[relation](numbers[0], numbers[1])
        and OPERATORS[relation](numbers[1], numbers[2]),
        f"k.s0.v {relation} 1 and k.s1.v {relation} 1": holds[0] and holds[1],
    } | {f"count(s*: k.@.v {relation} 1) {r} {count}": OPERATORS[r](sum(holds), count) for r in OPERATORS}
    for text, truth in outcomes.items():
        verdict = judge(parse(text), values)
        assert (verdict.state == "true") == truth, (text, verdict)
        assert (verdict.margin >= 0) == truth or verdict.margin == 0, (text, verdict)


def interval(value: float, low: float, high: float, p: float | None = None) -> Estimate:
    return Estimate(value, low, high, p)


@pytest.mark.parametrize(
    ("a", "b", "pair", "state"),
    [
        # intervals that overlap say nothing, unless a paired one does
        (interval(0.9, 0.8, 0.95), interval(0.85, 0.75, 0.9), None, "false"),
        (interval(0.9, 0.8, 0.95), interval(0.85, 0.75, 0.9), interval(0.05, 0.01, 0.09), "true"),
        (interval(0.9, 0.8, 0.95), interval(0.85, 0.75, 0.9), interval(0.05, -0.01, 0.09), "false"),
        (interval(0.9, 0.8, 0.95), interval(0.7, 0.6, 0.79), None, "true"),
        # what does not survive the correction for many comparisons does not count
        (interval(0.9, 0.8, 0.95), interval(0.85, 0.75, 0.9), interval(0.05, 0.01, 0.09, p=0.2), "false"),
        (interval(0.9, 0.8, 0.95), interval(0.85, 0.75, 0.9), interval(0.05, 0.01, 0.09, p=0.01), "true"),
        # apart, but the paired interval holds zero
        (interval(0.9, 0.8, 0.95), interval(0.7, 0.6, 0.79), interval(0.2, -0.1, 0.3), "false"),
    ],
)
def test_more_needs_an_interval_over_zero(a, b, pair, state):
    values = Given({"m.a": a, "m.b": b}, {("m.a", "m.b"): pair} if pair else {})
    assert judge(parse("m.a > m.b"), values).state == state


@pytest.mark.parametrize(
    ("pair", "state"),
    [
        (interval(0.0, -0.009, 0.009), "true"),
        (interval(0.0, -0.02, 0.02), "false"),
        (interval(0.005, 0.001, 0.009), "false"),
        (interval(0.0, 0.0, 0.0), "true"),
    ],
)
def test_alike_is_a_narrow_interval_that_holds_zero(pair, state):
    ends = interval(0.9, 0.8, 0.95)
    assert judge(parse("m.a ~ m.b"), Given({"m.a": ends, "m.b": ends}, {("m.a", "m.b"): pair})).state == state
    assert judge(parse("m.a ~ 0.9"), Given({"m.a": exact(0.9)})).state == "missing"


def test_widths_quotients_and_texts():
    values = Given({"m.a": interval(6, 5, 7), "m.b": exact(2.0), "m.t": exact("half")})
    for text, state in {
        "width(m.a) <= 2": "true",
        "width(m.a) < 2": "false",
        "m.a / m.b > 2.4": "true",
        "m.a / m.b > 2.6": "false",
        "m.t = 'half'": "true",
        "m.t = 'whole'": "false",
        "m.t > 1": "missing",
        "m.c > 1": "missing",
        "all(x*: m.@.q > 1)": "missing",
        "min(q.*) > 1": "missing",
        "m.b / m.c > 1": "missing",
    }.items():
        assert judge(parse(text), values).state == state, text


def test_a_quantifier_does_not_pass_over_what_one_of_its_keys_lacks():
    values = Given({"d.s1.a": exact(2.0), "d.s1.b": exact(1.0), "d.s2.a": exact(2.0)})
    assert judge(parse("all(s*: d.@.a > d.@.b)"), values).state == "missing"


def test_a_verdict_says_what_would_turn_it():
    values = Given({"m.a": interval(0.9, 0.8, 0.95), "m.b": exact(0.5)})
    verdict = judge(parse("m.a > m.b"), values)
    assert verdict.margin == pytest.approx(0.3)
    assert "0.9 (0.8 to 0.95) > 0.5" in verdict.why and "turns where 0.3 passes zero" in verdict.why
    assert math.isnan(judge(parse("m.a > m.c"), values).margin)


# ---- the claims of the sources -----------------------------------------------------------------------------------------

CLAIMS = sorted({claim.assertion for claim in stated(sources(REPO))})


@cache
def current() -> OfRelease:
    root = REPO / "data" / "frozen"
    return OfRelease(Numbers(Release(root / (root / "current").read_text().strip())))


@pytest.mark.parametrize("text", CLAIMS)
def test_the_current_release_bears_it_out_and_another_would_not(text: str):
    """Each part of each claim is turned by a release whose numbers are moved, or less certain, and is caught."""
    claim = parse(text)
    assert judge(claim, current()).state == "true"
    for clause in claim.clauses:
        assert turned_by(clause, current()), f"nothing turns {clause}"


def test_a_changed_number_changes_its_differences():
    values = Given({"m.a": exact(1.0), "m.b": exact(0.0)}, {("m.a", "m.b"): interval(1, 0.5, 1.5, p=0.001)})
    for pattern, by, widen, state in [
        ("m.c", 9, 9, "true"),
        ("m.a", -2, 0, "false"),
        ("m.b", 2, 0, "false"),
        ("m.b", 0, 1, "false"),
    ]:
        assert judge(parse("m.a > m.b"), Changed(values, pattern, by, widen)).state == state
    assert turned_by(parse("m.a = m.a").clauses[0], Given({"m.a": exact(1.0)})) == ""


def test_every_comparing_word_is_bound():
    comparing = words((file for file in sources(REPO) if file.suffix == ".qmd"), REPO)
    assert len(comparing) > 30
    loose = [f"{w.file.name}:{w.line}: {w.text} in: {w.sentence}" for w in comparing if not w.bound]
    assert loose == []


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("The student is better.", ""),
        ('[The student is better.]{holds="a.b > 1"}', "claim"),
        ('The student [is [better]{.x}]{holds="a.b > 1"}.', "claim"),
        ('::: {holds="a.b > 1"}\nIt outperforms all.\n:::', "claim"),
        ("Others report that it is better [@song2016intervals].", "citation"),
        ("This is better. Others report more [@song2016intervals].", ""),
        ('[It is the best.]{test="tests/analysis/test_claims.py"}', "test"),
        ('[It is the best.]{test="tests/analysis/test_claims.py::test_none_such"}', ""),
        ("![The best.](a.svg){#fig-a}", ""),
        ('![A.](a.svg){#fig-a fig-alt="It fails."}', ""),
        ('![A.](a.svg){#fig-a fig-alt="It fails." alt-holds="a.b > 1"}', "claim"),
        ('```{python}\n#| tbl-cap: "Only these."\nx\n```', ""),
        ("---\ntitle: x\ndescription: The fastest.\n---\n", ""),
        ("---\ntitle: x\nabstract: |\n  It is robust.\n---\n", ""),
        ("# The strongest", ""),
    ],
)
def test_a_comparing_word_is_found_wherever_it_is_read(tmp_path: Path, text: str, bound: str):
    (tmp_path / "a.qmd").write_text(text)
    comparing = words([tmp_path / "a.qmd"], REPO)
    assert comparing[0].bound == bound


@pytest.mark.parametrize(
    "text", ["`better`", "$better$", "```\nbetter\n```", "[x](better.html)", "| better |\n", "---\nbetter: 1\n---\n"]
)
def test_what_is_no_prose_claims_nothing(tmp_path: Path, text: str):
    (tmp_path / "a.qmd").write_text(text)
    assert words([tmp_path / "a.qmd"], REPO) == []


def test_a_test_must_exist_to_bind():
    assert named_test("tests/analysis/test_claims.py::test_a_test_must_exist_to_bind", REPO)
    assert not named_test("analysis/claims/words.py", REPO)
    assert not named_test("tests/none.py", REPO)


# ---- before a rendering ------------------------------------------------------------------------------------------------

F1 = "hcrl_sa.test_02.{}.zero_shot.f1"
HOLDS, BROKEN = (f"{F1.format('gat_student')} {relation} 0.5" for relation in "><")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project" / "paper" / "sections").mkdir(parents=True)
    return tmp_path / "project"


def write(project: Path, text: str) -> None:
    (project / "paper" / "sections" / "results.qmd").write_text(text)


def test_on_the_current_release_a_false_claim_stops_with_file_sentence_and_numbers(release, project):
    write(project, f'# Results\n\n[It is *ahead* of it.]{{holds="{HOLDS}"}}\n')
    assert prerender.run(release, project)["claims"] == 1
    write(project, f'# Results\n\n[It is *behind* it.]{{holds="{BROKEN}"}}\n')
    with pytest.raises(KdgatError) as refused:
        prerender.run(release, project)
    message = str(refused.value)
    assert message.startswith("paper/sections/results.qmd:3: 'It is behind it.' is not borne out by r1: ")
    assert F1.format("gat_student") in message and "0.9958" in message and "< 0.5" in message


@pytest.mark.parametrize("text", ["{{< var no.such >}}", '[It is more.]{holds="no.such > 1"}'])
def test_on_the_current_release_a_missing_key_stops(release, project, text: str):
    write(project, text)
    with pytest.raises(KdgatError, match=r"^paper/sections/results\.qmd:1: .*no\.such"):
        prerender.run(release, project)


def test_on_any_other_release_nothing_stops(shared_release, project):
    write(project, f'[It is {{{{< var no.such >}}}}, behind.]{{holds="{BROKEN}"}} [It is more.]{{holds="no.such > 1"}}')
    prerender.run(shared_release, project)
    claims = judged.of_project(Numbers(shared_release), project)
    assert [j.verdict.state for j in claims] == ["false", "missing"]
    assert "not in this release" in (project / "_variables.yml").read_text()


def test_a_claim_is_shown_with_its_numbers(shared_release):
    numbers = Numbers(shared_release)
    key = F1.format("gat_student")
    text = f"It *reaches* {{{{< var {key} >}}}}, not {{{{< var no.such >}}}}"
    assert judged.in_words(text, numbers) == f"It reaches {numbers[key].text}, not no.such"


def test_a_claim_that_cannot_be_read_names_its_line(shared_release, project):
    write(project, 'Text.\n\n[It is more.]{holds="a.b >"}')
    with pytest.raises(ClaimError, match=r"^paper/sections/results\.qmd:3: 'a\.b >': "):
        prerender.run(shared_release, project)


def test_a_claim_without_a_text_is_refused(shared_release, project):
    write(project, 'Text {holds="a.b > 1"}.')
    with pytest.raises(KdgatError, match="stands at no span"):
        prerender.run(shared_release, project)


def test_paired_differences_are_the_releases_own(shared_release):
    numbers = Numbers(shared_release)
    frozen = {
        (r["scenario"], r["model"]): r
        for r in shared_release.table("differences").to_pylist()
        if (r["protocol"], r["metric"], r["other"]) == ("zero-shot", "roc_auc", "gat-student")
    }
    row = frozen["test_02", "vgae-student"]
    auc = "hcrl_sa.test_02.{}.zero_shot.roc_auc".format
    there, back = (
        OfRelease(numbers).paired(auc(a), auc(b))
        for a, b in (("vgae_student", "gat_student"), ("gat_student", "vgae_student"))
    )
    assert (there.value, there.low, there.high, there.p) == (
        row["difference"], row["ci_low"], row["ci_high"], row["p_holm"]
    )  # fmt: skip
    assert (back.value, back.low, back.high) == (-there.value, -there.high, -there.low)
    assert OfRelease(numbers).paired(auc("vgae_student"), auc("gbm_baseline")) is None
    assert OfRelease(numbers).paired("main.test_02.gat_student.zero_shot.f1", F1.format("vgae_teacher")) is not None
    key = numbers.paired(auc("vgae_student"), auc("gat_student"))
    (result,) = shared_release.rows(numbers[key].query)
    assert next(iter(result.values())) == pytest.approx(numbers[key].value)


@pytest.mark.parametrize("name", sorted(p.name for p in (REPO / "data" / "frozen").iterdir() if p.is_dir())[:1])
def test_an_older_release_is_judged_too(name: str):
    claims = judged.of_project(Numbers(Release(REPO / "data" / "frozen" / name)), REPO)
    states = {j.verdict.state for j in claims}
    assert "true" in states and states - {"true"}, states


def test_the_environment_does_not_make_a_release_current(release, monkeypatch):
    assert release.current
    monkeypatch.setenv("KDGAT_RELEASE", "r1")
    assert Release.open().current
    (release.path.parent / "current").write_text("other\n")
    assert not Release.open().current
    assert "KDGAT_RELEASE" in os.environ
    assert evaluate.ALIKE == 0.01
