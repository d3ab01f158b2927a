// What the pages use: the release, inputs, and one function a figure, `(rows, {width, …}) → Node`.
export {checkbox, range, select, selectAttention, selectWindow, threshold} from "./lib/inputs.js";
export {open, tables} from "./lib/release.js";
export {distinct, models, where} from "./lib/rows.js";
export {scores} from "./lib/scores.js";
export {list} from "./lib/figure.js";
export {attributionMap} from "./attributions.js";
export {curves} from "./curves.js";
export {captures, rates} from "./datasets.js";
export {similarity, sizeAgainstScore} from "./distillation.js";
export {colourings, embedding} from "./embedding.js";
export {confusionTable, reconstruction, rocCurve, scoreHistogram} from "./errors.js";
export {windowFrames} from "./frames.js";
export {alphaByAttack, policyMap, regret} from "./fusion.js";
export {windowGraph} from "./graph.js";
export {leaderboard} from "./leaderboard.js";
export {liveDetector, openDetector, selectStudent, students} from "./live.js";
export {sqlConsole} from "./sql.js";
export {runsOf, timeline} from "./timeline.js";
