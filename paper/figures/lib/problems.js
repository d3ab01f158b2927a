// What a page could not read: figures that have no rows say it instead of guessing why.
const problems = new Set();

/** A handler for a rejection: keeps the error's sentence and goes on with `value`. */
export const instead = (value) => (error) => {
  problems.add(error.message);
  return value;
};

/** Everything that could not be read so far, as one text; empty if there is nothing. */
export const told = () => [...problems].join(" ");

/** Forgets them (for tests: a page begins without any). */
export const forget = () => problems.clear();
