// Fetches a file of the site. What goes wrong is one sentence that names the file and says what to do.

/** The error for a file that cannot be used. */
export const unreadable = (url, why) =>
  new Error(`${url.pathname.split("/").at(-1)} cannot be read (${why}). Load the page again; if that does not help, the site lacks a part of its folder assets/.`);

/** Fetches `url` and parses the response; rejects with one such error whatever goes wrong. */
export async function load(url, parse) {
  const response = await fetch(url).catch(() => {
    throw unreadable(url, "no answer");
  });
  if (!response.ok) throw unreadable(url, `answer ${response.status}`);
  try {
    return await parse(response);
  } catch {
    throw unreadable(url, "damaged");
  }
}

/** Throws one sentence where the browser has no WebAssembly. */
export function requireWasm() {
  if (typeof WebAssembly === "undefined") throw new Error("This needs WebAssembly, which this browser does not have or has switched off. The other pages work without it.");
}
