// Of a table in parts, no more is fetched than what is asked for.
import {readFileSync} from "node:fs";
import {afterEach, expect, test, vi} from "vitest";
import {open} from "../lib/release.js";

const FROZEN = new URL("../../../data/frozen/", import.meta.url);
const name = readFileSync(new URL("current", FROZEN), "utf8").trim();
const manifest = JSON.parse(readFileSync(new URL(`${name}/manifest.json`, FROZEN), "utf8"));
const {parts} = manifest.tables.predictions;

afterEach(() => vi.unstubAllGlobals());

/** The release, and which of its files were asked for. */
function watched() {
  const asked = new Set();
  vi.stubGlobal("fetch", async (url, {method} = {}) => {
    const file = String(url).split("/release/")[1];
    if (method !== "HEAD") asked.add(file);
    return new Response(readFileSync(new URL(`${name}/${file}`, FROZEN)));
  });
  return [open(new URL("https://site.example/release/")), asked];
}

test("groups of one scenario are those of its rows alone", async () => {
  const [release, asked] = watched();
  const all = await release.groups("predictions", ["dataset", "scenario", "seed"]);
  const [{dataset, scenario}] = all;
  if (parts) expect([...asked]).toEqual(["manifest.json"]);
  const protocols = await release.groups("predictions", ["protocol"], {dataset, scenario});
  expect(protocols.map(({protocol}) => protocol)).toContain("zero-shot");
  expect(new Set(protocols.map(({protocol}) => protocol)).size).toBe(protocols.length);
  const seeds = await release.groups("predictions", ["seed"], {dataset, scenario});
  expect(seeds.map(({seed}) => seed).sort()).toEqual([...new Set(all.filter((row) => row.dataset === dataset && row.scenario === scenario).map(({seed}) => seed))].sort());
  if (parts) expect([...asked].filter((file) => file !== "manifest.json").length).toBe(1);
});

test("rows are found in every row group of a file", async () => {
  const [release] = watched();
  const {rows} = manifest.tables.attributions;
  const kinds = await Promise.all(["node", "edge"].map((kind) => release.rows("attributions", {kind}, ["graph", "value"])));
  expect(kinds[0].length + kinds[1].length).toBe(rows);
});
