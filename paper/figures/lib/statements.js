// SQL as a list of statements.
const TOKEN = /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|[\s\S]/g;
const COMMENT = /--[^\n]*|\/\*[\s\S]*?\*\//g;

/** The statements of `sql`, without the semicolons between them; a semicolon in a text, a name or a comment is none. */
export function statements(sql) {
  const found = [""];
  for (const [token] of sql.matchAll(TOKEN)) {
    if (token === ";") found.push("");
    else found[found.length - 1] += token;
  }
  return found.map((statement) => statement.trim()).filter((statement) => statement.replace(COMMENT, "").trim());
}
