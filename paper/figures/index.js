// What the pages use: the release, inputs, and one function a figure, `(rows, {width, …}) → Node`.
export {checkbox, range, select, selectAttention, selectWindow} from "./lib/inputs.js";
export {open} from "./lib/release.js";
export {distinct, models, where} from "./lib/rows.js";
export {leaderboard} from "./leaderboard.js";
export {curves} from "./curves.js";
export {windowGraph} from "./graph.js";
export {windowFrames} from "./frames.js";
