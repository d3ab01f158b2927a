import {expect, test} from "vitest";
import {statements} from "../lib/statements.js";

test.each([
  ["select 1", ["select 1"]],
  ["select 1;\nselect 2;", ["select 1", "select 2"]],
  ["select ';' as a; select \"b;\" from t", ["select ';' as a", "select \"b;\" from t"]],
  ["select 'it''s; so' -- no; end\n; /* ; */", ["select 'it''s; so' -- no; end"]],
  [" ; -- nothing\n;", []],
  ["select 'open; text", ["select 'open", "text"]]
])("%s", (sql, expected) => {
  expect(statements(sql)).toEqual(expected);
});
