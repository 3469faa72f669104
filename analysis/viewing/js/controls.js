// The path: a column for each stage, dtypes on one line, and a wire through what is chosen.

const ROW_HEIGHT = 28;
const GUTTER = 30;
const HINTS = {
  fused: "torch.sigmoid: 16-bit logits computed in float32, rounded once",
  stepwise: "1 / (1 + exp(−x)), every step rounded",
  none: "the scores are the logits",
};

function pathControls(view) {
  const { payload, uid } = view;
  const lines = [...new Set([...payload.dtypes, ...payload.forwardFormats])]; // a line for each dtype
  const dtype = (name) => [name, dtypeLabel(payload.formats[name]), payload.formats[name].hint];
  const hasRuntimes = payload.forwardFormats.some((name) => !isDtype(payload, name));
  const columns = [
    column(
      FORWARD,
      hasRuntimes ? "Forward format" : "Network runs in",
      lines.filter((name) => payload.forwardFormats.includes(name)).map(dtype),
    ),
    column(
      FORMULA,
      "Sigmoid",
      FORMULAS.map((name) => [name, name, HINTS[name]]),
    ),
    column(ACTIVATION, "evaluated in", payload.dtypes.map(dtype)),
    column(STORED, "Score stored as", payload.dtypes.map(dtype)),
    column(
      TIES,
      "Equal scores by",
      payload.tieRules.map((rule) => [rule, rule]),
    ),
  ];
  const wires = columns.slice(1, TIES).map(() =>
    draw("svg", {
      class: "wire",
      "aria-hidden": "true",
      width: GUTTER,
      height: lines.length * ROW_HEIGHT,
    }),
  );
  columns.forEach(({ inputs }, stage) =>
    [...inputs.keys()].forEach((value) => {
      inputs.get(value).parentNode.style.gridRow = line(stage, value) + 1;
    }),
  );

  function column(stage, legend, options) {
    const act = (value) => view.set({ path: view.state.path.with(stage, value) });
    const group = radios(`${uid}-${STAGES[stage]}`, legend, options, act);
    group.node.className = `stage ${STAGES[stage]}`;
    return group;
  }
  /** On which line a choice stands, from 0: the dtypes of all columns level with each other. */
  function line(stage, value) {
    if (stage === TIES) return payload.tieRules.indexOf(value);
    return stage === FORMULA ? FORMULAS.indexOf(value) + 1 : lines.indexOf(value);
  }
  function wire(path, stage) {
    const [from, to] = [stage, stage + 1].map((n) => (line(n, path[n]) + 0.5) * ROW_HEIGHT);
    return `M0 ${from}C${GUTTER * 0.55} ${from} ${GUTTER * 0.45} ${to} ${GUTTER} ${to}`;
  }
  function show() {
    const { path, against } = view.state;
    columns.forEach((group, stage) => group.show(path[stage]));
    columns[ACTIVATION].node.disabled = !hasSigmoid(path);
    wires.forEach((svg, stage) =>
      svg.replaceChildren(
        draw("path", {
          class: hasSigmoid(against) || stage !== 1 ? "against" : "against idle",
          d: wire(against, stage),
        }),
        draw("path", {
          class: hasSigmoid(path) || stage === 0 ? "chosen" : "chosen idle",
          d: wire(path, stage),
        }),
      ),
    );
  }
  const inner = columns.flatMap(({ node }, stage) => [node, wires[stage]]);
  return {
    node: make(
      "div",
      { class: hasRuntimes ? "path runtimes" : "path", role: "group", "aria-label": "Score path" },
      ...inner,
    ),
    show,
  };
}

/** Whether torch runs the network as it is, all of it in the dtype that the format is called by. */
const isDtype = ({ formats }, name) => formats[name].dtype === undefined;

function dtypeLabel(format) {
  return make(
    "span",
    {},
    make("i", { class: "mark", "aria-hidden": "true", text: format.mark }),
    format.name,
  );
}

/** Engines as presets, and what the path is compared with. */
function presets(view) {
  const { payload, scores, uid } = view;
  const engines = payload.engines.flatMap(({ name, wasRun, paths }) =>
    paths.map((path) => ({ name: `${name}, ${path[FORWARD]}`, engine: name, path, wasRun })),
  );
  engines.sort((a, b) => b.wasRun - a.wasRun);
  const options = engines.map(({ name, wasRun }, n) => [
    String(n),
    wasRun ? name : `${name} (read, not run)`,
  ]);
  const own = ["own", "own choice"];
  const engine = choice(`${uid}-engine`, "Engine", [own, ...options], (n) =>
    engines[n] ? view.set({ path: engines[n].path }) : show(),
  );
  const against = choice(
    `${uid}-against`,
    "compared with",
    [["reference", "float32 logits (reference)"], ...options, own],
    (n) => {
      const path = n === "reference" ? payload.reference : engines[n]?.path;
      if (path) view.set({ against: path });
      else show();
    },
  );
  const keep = button("Compare with this", () => view.set({ against: view.state.path }));
  const undo = button("Undo", () => view.undo());
  const find = (path, chosen) => {
    if (engines[chosen] && samePath(engines[chosen].path, path)) return chosen;
    const n = engines.findIndex((one) => samePath(one.path, path));
    return n < 0 ? "own" : String(n);
  };
  function show() {
    const { path, against: other } = view.state;
    engine.box.value = find(path, engine.box.value);
    against.box.value =
      scores.key(other) === scores.key(payload.reference)
        ? "reference"
        : find(other, against.box.value);
    keep.disabled = scores.key(path) === scores.key(other);
    undo.disabled = !view.past.length;
  }
  /** Engines that return the same scores for all logits. */
  const takers = (path) => [
    ...new Set(
      engines.filter((one) => scores.key(one.path) === scores.key(path)).map((one) => one.engine),
    ),
  ];
  return {
    node: make("div", { class: "presets" }, engine.node, against.node, keep, undo),
    show,
    takers,
  };
}
