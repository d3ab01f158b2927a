"""The rendered output against its release, on a small site: every way in which a page can go wrong must be named."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from analysis import prerender
from analysis.checks import claims, pdf, second
from analysis.checks.pages import Site, read_page, sentence
from analysis.freeze import freeze
from analysis.numbers import Numbers
from analysis.releases.release import Release
from tests import shared
from tools import assets

KEY = "hcrl_sa.test_01.gat_student.zero_shot.f1"
HOLDS = f"{KEY} > 0.5"
SOURCE = f"""# Results

The student reaches {{{{< var {KEY} >}}}} on the known car.

[Its F1 *exceeds* 0.5, at {{{{< var {KEY} >}}}} [@song2016intervals].]{{holds="{HOLDS}"}}

![Leaderboard](figures/static/leaderboard.svg)
"""


POLICY = f'<meta http-equiv="Content-Security-Policy" content="{assets.POLICY}">'


def span(kind, text, key=KEY):
    return f'<span class="{kind}" data-key="{key}" title="x">{text}</span>'


@pytest.fixture(scope="session")
def built(store):
    """A project with its rendered output, as the renderer would leave it."""
    return shared.once("built", lambda project: build(Release(store / "r1"), project))


def build(release, project):
    source = project / "paper" / "index.qmd"
    source.parent.mkdir(parents=True)
    source.write_text(SOURCE)
    prerender.run(release, project)
    number = Numbers(release)[KEY]
    out = project / "_site"
    (out / "paper").mkdir(parents=True)
    (out / "assets" / "release").mkdir(parents=True)
    shutil.copytree(project / "paper" / "figures", out / "paper" / "figures")
    shutil.copy(project / "trace.json", out / "assets")
    for name in (file for file in release.files() if file.endswith(".parquet")):
        (out / "assets" / "release" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(release.path / name, out / "assets" / "release" / name)
    (out / "paper" / "index.html").write_text(
        f"""<html><head>{POLICY}<meta name="kdgat-release" content="{release.name} {release.manifest_sha256}">
        <title>0.123</title></head><body><nav>0.5</nav><h1>Paper</h1><p>We set it to 0.7.</p>
        <section id="sec-results" class="level1"><h1>Results</h1>
        <p>One sentence. The student reaches {span("num", number.text)} on the known car. With a 95&nbsp;% interval.</p>
        <p><span class="claim" data-holds="{HOLDS.replace(">", "&gt;")}" data-state="true" title="x">Its F1 <em>exceeds</em> 0.5, at
        {span("num", number.text)} (Song 2016).</span></p>
        <table><tr><td>GAT</td><td><strong>{span("num", number.text)}</strong> {span("ci", number.interval)}</td></tr>
        <tr><td>theirs</td><td><span class="cited">0.685</span></td></tr></table>
        <p>as in <code>0.25</code>, <math><mn>0.5</mn></math> <img src="figures/static/leaderboard.svg"></p>
        </section></body></html>"""
    )


@pytest.fixture
def site(built, release, tmp_path):
    """A copy of the output that a test may harm."""
    shutil.copytree(built, tmp_path / "project")
    return Site(tmp_path / "project" / "_site", tmp_path / "project")


def edit(site, old, new, count=1):
    page = site.site / "paper" / "index.html"
    text = page.read_text()
    assert re.search(old, text)
    page.write_text(re.sub(old, new, text, count=count))


def test_a_sound_output_has_no_problem(site):
    assert site.problems() == []


def test_an_edited_number_names_key_and_sentence(site):
    edit(site, r">(\d\.\d+)</span> on the", ">0.111</span> on the")
    (problem,) = site.problems()
    assert problem.startswith(f"paper/index.html: {KEY} reads '0.111', the release says")
    assert "The student reaches 0.111 on the known car." in problem
    assert "One sentence" not in problem


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("<em>exceeds</em>", "<em>falls to</em>", "no page has the words of the claim"),
        (r'data-state="true"', 'data-state="false"', "shown as 'false', the release makes it 'true'"),
        (r"<em>exceeds</em>", "<del>exceeds</del>", "a claim that is 'true' does not look it"),
        (r"&gt; 0\.5", "&lt; 0.5", "shown as 'true', the release makes it 'false'"),
        (r"&gt; 0\.5", "&gt;", "a claim cannot be read"),
        (r' data-holds="[^"]*" data-state="true"', "", "no page shows the claim"),
        (r"exceeds</em> 0\.5", "exceeds</em> 0.7", "'0.7' comes from no key"),
    ],
)
def test_a_claim_that_was_tampered_with_is_caught(site, old, new, said):
    edit(site, old, new)
    assert any(said in problem for problem in site.problems()), site.problems()


def test_a_claim_that_the_trace_tells_otherwise_is_caught(site):
    trace = site.site / "assets" / "trace.json"
    document = json.loads(trace.read_text())
    assert document["claims"][0]["state"] == "true"
    document["claims"][0]["margin"] = 9.0
    trace.write_text(json.dumps(document))
    assert site.problems() == ["assets/trace.json: its claims differ from what the release makes of the sources"]


def test_the_pdf_must_hold_the_claims_of_the_page(site):
    (claim,) = read_page(site.site / "paper" / "index.html").claims
    assert claims.absent(f"Before. {claim.text} After.", [claim]) == []
    hyphened = claim.text.replace("exceeds", "ex-\nceeds")
    assert claims.absent(f"{hyphened[:20]} Table 1. A 0.5 {hyphened[20:]}", [claim]) == []
    assert len(claims.absent(claim.text.replace("exceeds", "is"), [claim])) == 1


def test_an_edited_interval_is_caught(site):
    edit(site, r'class="ci"([^>]*)>[^<]*<', r'class="ci"\1>0.1–0.2<')
    assert "reads '0.1–0.2'" in site.problems()[0]


def test_an_exchanged_key_is_caught(site):
    edit(site, r'data-key="[^"]+"', 'data-key="hcrl_sa.test_02.vgae_student.zero_shot.f1"')
    assert site.problems()


def test_an_unknown_key_is_caught(site):
    edit(site, r'data-key="[^"]+"', 'data-key="no.such.key"')
    assert "no number 'no.such.key'" in site.problems()[0]


@pytest.mark.parametrize("typed", ["0.97", "12 %", "99.9 percent", ".999", "999/1000", "0.999.\nThen"])
def test_a_number_without_a_key_in_results_is_caught(site, typed):
    edit(site, "One sentence", f"It is {typed} here")
    (problem,) = site.problems()
    assert "comes from no key" in problem and "It is " in problem


def test_unresolved_references_are_caught(site):
    edit(site, "One sentence", "See ?@fig-x and ?var:a.b")
    assert len(site.problems()) == 2


def test_another_release_under_the_same_name_is_stale(site, other_run, frozen):
    shutil.rmtree(frozen / "r1")
    freeze("r1", *other_run)
    assert any("rendered from another release 'r1'" in p for p in site.problems())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("<h1>Paper", '<img src="https://example.org/x.png"><h1>Paper', "loads 'https://example.org/x.png' from elsewhere"),
        ("<h1>Paper", '<script src="//example.org/x.js"></script><h1>Paper', "loads '//example.org/x.js' from elsewhere"),
        ("<h1>Paper", '<a href="javascript:1">x</a><h1>Paper', "loads 'javascript:1' from elsewhere"),
        ("<h1>Paper", '<a href="index.pdf">x</a><h1>Paper', "names 'index.pdf', which is not in the output"),
        ("<h1>Paper", '<img src="../../trace.json"><h1>Paper', "which is not in the output"),
        ('<meta http-equiv[^>]*>', "", "its policy has no"),
    ],
)  # fmt: skip
def test_what_a_page_loads_is_its_own(site, old, new, said):
    edit(site, old, new)
    assert any(said in problem for problem in site.problems())


def test_a_served_file_that_is_not_the_releases_or_the_projects_is_caught(site):
    served = site.site / "assets" / "release" / "weights" / "x.onnx"
    served.parent.mkdir(parents=True)
    served.write_bytes(b"x")
    for folder, text in ((site.project / "paper", "a {}"), (site.site, "a { color: red }")):
        (folder / "theme").mkdir()
        (folder / "theme" / "site.css").write_text(text)
    problems = site.problems()
    assert (
        "assets/release/weights/x.onnx is not the release's" in problems
        and "theme/site.css is not the project's" in problems
    )


# ---- against a second rendering ------------------------------------------------------------------------------------------


def pdf_of(text):
    import typst

    return typst.compile(f'#set page("a4")\n{text}'.encode())


@pytest.fixture(scope="module")
def rendering():
    """What a rendering leaves, in small: path → content."""
    table = "<table><tr><td>GAT</td><td>1</td></tr><tr><td>VGAE</td><td>2</td></tr></table>"
    figure = '<figure><img src="x.svg" alt="A rises."><figcaption>Recall by car</figcaption></figure>'
    page = f"<html><head>{POLICY}<title>KD-GAT</title></head><body><main><p>It is ahead.</p>{figure}{table}</main>"
    return {
        "index.html": f"{page}<p>Draft: rendered without Quarto</p></body></html>".encode(),
        "paper/talk.html": f"{page}</body></html>".encode(),
        "paper/index.pdf": pdf_of("It is ahead."),
        "assets/kdgat.js": b"export const a = 1;",
        "assets/release/weights/gat-student-s0.onnx": b"weights",
        "theme/site.css": b"del { text-decoration: line-through }",
    }


def left(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


PAGE, TRACE = "paper/index.html", "assets/trace.json"
#: output that no renderer leaves → (file, its bytes → others, what is said of it)
HOSTILE = {
    "nested JSON": (TRACE, lambda text: b"[" * 100_000, "assets/trace.json: maximum recursion depth"),
    "a list for an object": (TRACE, lambda text: text.replace(b'"numbers":{', b'"numbers":0,"x":{'), "no objects"),
    "a part is missing": (TRACE, lambda text: text.replace(b'"runs":{', b'"x":{', 1), "'runs'"),
    "no UTF-8": (PAGE, lambda text: b"\xff" + text, "paper/index.html: cannot be read: 'utf-8'"),
    "a marked section": (PAGE, lambda text: text.replace(b"<h1>", b"<![x[<h1>", 1), "paper/index.html: cannot be read"),
    "a null byte": (PAGE, lambda text: text.replace(b"<h1>", b'<img src="%00.svg"><h1>', 1), "not in the output"),
    "a long name": (PAGE, lambda text: text.replace(b"<h1>", b'<a href="' + b"x" * 5000 + b'"><h1>', 1), "not in the"),
    "a release of its own": (
        PAGE,
        lambda text: text.replace(b'release" content="', b'release" content="../project/_site/'),
        "carries '../project/_site/r1', which is no name of a release",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_an_output_that_no_renderer_leaves_is_told_in_lines(site, kind):
    name, change, reason = HOSTILE[kind]
    file = site.site / name
    before = file.read_bytes()
    file.write_bytes(change(before))
    assert file.read_bytes() != before
    assert any(reason in problem for problem in site.problems()), site.problems()


def test_pages_of_two_releases_are_no_site(site, frozen, other_run):
    other = freeze("other", *other_run, root=frozen)
    page = site.site / "paper" / "index.html"
    (page.parent / "old.html").write_text(
        re.sub('release" content="[^"]*"', f'release" content="other {other.manifest_sha256}"', page.read_text())
    )
    assert site.problems()[-1] == "its pages and traces come from several releases: other, r1"


IMAGE = b'<p><img src="https://example.org/x.png"></p><p>It is'
#: what was done to an output → (file, what stood there and what stands there, or None where the file is gone or new)
TAMPERED = {
    "a changed sentence": ("index.html", (b"ahead", b"far ahead")),
    "a changed sentence of the talk": ("paper/talk.html", (b"ahead", b"behind")),
    "a changed title": ("index.html", (b"<title>KD", b"<title>PD")),
    "a changed alternative text": ("index.html", (b"rises", b"falls")),
    "a changed caption": ("paper/talk.html", (b"by car", b"by bus")),
    "row labels swapped": ("paper/talk.html", (b"GAT</td><td>1</td></tr><tr><td>VGAE", b"VGAE</td><td>1</td></tr><tr><td>GAT")),
    "a marked section": ("paper/talk.html", (b"<p>It is", b"<![x[<p>It is")),
    "a removed policy": ("paper/talk.html", (b"default-src", b"script-src")),
    "an image from elsewhere": ("paper/talk.html", (b"<p>It is", IMAGE)),
    "a number at a sentence's end": ("index.html", (b"ahead.", b"ahead, at 0.999.")),
    "a number without a digit before its point": ("index.html", (b"ahead.", b"ahead, at .999.")),
    "a fraction": ("index.html", (b"ahead.", b"ahead in 999/1000.")),
    "rewritten code": ("assets/kdgat.js", (b"1", b"2")),
    "a rewritten style sheet": ("theme/site.css", (b"line-through", b"none")),
    "other weights": ("assets/release/weights/gat-student-s0.onnx", (b"weights", b"others")),
    "a deleted PDF": ("paper/index.pdf", None),
    "a deleted page": ("paper/talk.html", None),
    "an added page": ("paper/results/ours.html", None),
    "an added script": ("assets/more.js", None),
}  # fmt: skip


@pytest.mark.parametrize("attack", TAMPERED)
def test_what_a_second_rendering_does_not_make_is_caught(rendering, attack, tmp_path):
    name, change = TAMPERED[attack]
    files = dict(rendering)
    if change is not None:
        assert change[0] in files[name]
        files[name] = files[name].replace(*change)
    elif name in files:
        del files[name]
    else:
        files[name] = b"x"
    (problem,) = second.differences(left(tmp_path / "site", files), left(tmp_path / "second", rendering))
    assert problem.startswith(f"{name} is ")


def test_a_pdf_that_was_set_anew_must_say_the_same(rendering, tmp_path):
    want = left(tmp_path / "second", rendering)
    same = left(tmp_path / "same", rendering | {"paper/index.pdf": pdf_of("#set text(fill: red)\nIt is ahead.")})
    assert (same / "paper" / "index.pdf").read_bytes() != rendering["paper/index.pdf"]
    assert second.differences(same, want) == []
    other = left(tmp_path / "other", rendering | {"paper/index.pdf": pdf_of("It is behind.")})
    (problem,) = second.differences(other, want)
    assert problem.endswith("'It is behind.' where it has 'It is ahead.'")


def test_of_quartos_pages_it_counts_what_is_seen(rendering, tmp_path):
    """Order of attributes, white space and comments may change; a draft's bytes may not."""
    want = left(tmp_path / "second", rendering)
    image = (b'src="x.svg" alt="A rises."', b'alt="A rises."  src="x.svg"')
    for name, caught in (("index.html", True), ("paper/talk.html", False)):
        have = left(tmp_path / name.replace("/", "-"), rendering | {name: rendering[name].replace(*image)})
        assert bool(second.differences(have, want)) is caught


def test_without_quarto_what_it_made_is_counted_as_not_checked(rendering, tmp_path, monkeypatch, shared_release):
    monkeypatch.setattr(second.shutil, "which", lambda name: None)
    files = rendering | {"index.html": rendering["paper/talk.html"]}  # which is not marked as a draft
    problems, note = second.problems(left(tmp_path / "site", files), tmp_path, shared_release)
    assert problems == [] and note.startswith(f"{len(files)} files not checked against a second rendering: Quarto")


def test_a_page_without_a_release_is_caught(site):
    edit(site, '<meta name="kdgat[^>]*>', "")
    assert site.problems()[0].startswith("paper/index.html: carries no release")


def test_changed_sources_make_the_output_stale(site):
    (site.project / "paper" / "index.qmd").write_text(SOURCE + "\nMore.\n")
    assert site.problems() == ["stale: paper/index.qmd changed since the output was rendered; render again"]


def test_a_changed_or_unknown_figure_is_caught(site):
    figure = site.site / "paper" / "figures" / "static" / "leaderboard.svg"
    figure.write_text(figure.read_text().replace("0072b2", "0072b3"))
    assert site.problems() == ["paper/index.html: figure leaderboard is not what the release's rows draw"]
    figure.unlink()
    assert "paper/index.html: figure leaderboard is missing from the output" in site.problems()
    edit(site, "leaderboard.svg", "mine.svg")
    assert "paper/index.html: figure mine is drawn by nothing in analysis.figures" in site.problems()


def test_changed_assets_are_caught(site):
    table = site.site / "assets" / "release" / "summary.parquet"
    table.write_bytes(table.read_bytes() + b"x")
    trace = site.site / "assets" / "trace.json"
    document = json.loads(trace.read_text())
    document["numbers"][KEY]["value"] = 0.5
    next(iter(document["runs"].values()))["commit"] = "b" * 40
    trace.write_text(json.dumps(document))
    assert site.problems() == [
        f"assets/trace.json: the trace of {KEY} differs from the release's",
        "assets/trace.json: its runs differ from the release's",
        "assets/release/summary.parquet is not the release's",
    ]


def test_the_pdf_has_the_numerals_of_the_page_in_order(site):
    page = read_page(site.site / "paper" / "index.html")
    rows = ["GAT 0.912 0.900–0.930 0.801", "VGAE 0.712 0.700–0.730 0.601"]
    text = "Title\n" + "\n".join(rows)
    assert pdf.differences(text, rows, rows, text) == []
    swapped = text.replace("0.912", "x").replace("0.712", "0.912").replace("x", "0.712")
    assert len(pdf.differences(swapped, rows, [], text)) == 2
    assert pdf.differences(text.replace("0.801", "0.810"), rows, [], text) == [
        "the PDF has not, in this order, the numerals of: GAT 0.912 0.900–0.930 0.801",
        "the PDF has 0.810 1 times more often than the page",
        "the PDF has 0.801 1 times less often than the page",
    ]
    assert any("theirs 0.685" in row for element, row in page.units if element == "tr")


def test_a_float_may_stand_inside_a_sentence_of_the_pdf_but_not_inside_a_row():
    sentence = "It rises from 0.111 to 0.222 and falls to 0.333."
    broken = "It rises from 0.111 to Table 1. A 0.501 0.502 1 0.222 and falls to 0.333."
    page = f"{sentence} A 0.501 0.502"
    assert pdf.differences(broken, ["A 0.501 0.502"], [sentence], page) == []
    assert len(pdf.differences(broken, [sentence], [], page)) == 1
    assert len(pdf.differences("to 0.222 and 0.333. 0.111 A 0.501 0.502", [], [sentence], page)) == 1


def test_a_sentence_is_found_in_its_paragraph():
    text = "First one. The value\n is 0.5 here, e.g. now. Last."
    assert sentence(text, "0.5") == "The value is 0.5 here, e.g. now."


def test_the_number_of_a_section_needs_no_key(tmp_path):
    file = tmp_path / "page.html"
    file.write_text('<p>See <a href="#sec-a" class="quarto-xref">Section 7.4</a>, and 7.5 of it.</p>')
    loose = "".join(text for _, text in read_page(file, results=True).loose)
    assert "7.4" not in loose and "7.5" in loose


def test_what_runs_off_a_page_of_the_pdf_is_named(tmp_path: Path):
    import typst

    file = tmp_path / "a.pdf"
    page = '#set page("a4", numbering: "1")\n'
    for body, off in (("Inside.", 0), ("#place(dy: 28cm)[Far below]", 1)):
        typst.compile(f"{page}Text. {body}".encode(), output=str(file))
        text, overhang = pdf.read(file)
        assert "Text." in text
        assert len(overhang) == off
        assert all("page 1" in problem and "Far below" in problem for problem in overhang)
