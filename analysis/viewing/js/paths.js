// The score path: forward dtype, sigmoid formula, activation dtype, stored dtype, tie rule.

const STAGES = ["forward", "sigmoid", "activation", "stored", "ties"]; // as a path's plain text calls them
const [FORWARD, FORMULA, ACTIVATION, STORED, TIES] = STAGES.keys();
const FORMULAS = ["fused", "stepwise", "none"];

const hasSigmoid = (path) => path[FORMULA] !== "none";
const samePath = (a, b) => a.every((stage, n) => stage === b[n]);
const pathWords = (path) =>
  [
    `${path[FORWARD]} logits`,
    hasSigmoid(path) ? `${path[FORMULA]} sigmoid in ${path[ACTIVATION]}` : "no sigmoid",
    `stored as ${path[STORED]}`,
  ].join(" → ");

/** Plain text of a path, which `analysis.path_of` and the command line read. */
const pathText = (path) => STAGES.map((stage, n) => `${stage}=${path[n]}`).join(",");

/** Inverse of `pathText`; undefined for any other text. */
function pathOf(text) {
  const path = text.split(",").map((part, n) => part.slice(STAGES[n]?.length + 1));
  return path.length === STAGES.length && pathText(path) === text ? path : undefined;
}
