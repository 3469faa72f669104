// One score, taken apart: how it came about, its bits and neighbours, which logits share it, and whose.

const MOST_SHARERS = 12;

function inspector(view) {
  const { payload, scores } = view;
  const node = make("section", { class: "inspector", "aria-label": "The chosen score" });

  function show() {
    const { state, now, inspected: row, from } = view;
    const path = state.path;
    const at = from + row;
    const stored = payload.formats[path[STORED]];
    const score = now.scores[row];
    node.replaceChildren(
      make(
        "header",
        {},
        make("h3", { dir: "auto", text: payload.passages[at] }),
        make("b", { class: "score", text: scores.format(path).scoreText(score) }),
      ),
      facts(path, at, score, stored),
      bits(stored, score),
      hidden(path),
      ...sharers(),
      make(
        "details",
        { open: true },
        make("summary", { text: "Passage" }),
        make("p", { class: "passage", dir: "auto", text: payload.passageText(at) }),
      ),
    );
  }
  /** The values on the way, [name, value] each: logit, what the sigmoid gave, what is stored, and beside it. */
  function facts(path, at, score, stored) {
    const { formats } = payload;
    const logit = payload.logits(path)[at];
    const list = [[`logit, ${path[FORWARD]}`, formats[path[FORWARD]].digits(logit)]];
    if (hasSigmoid(path))
      list.push([
        `${path[FORMULA]} sigmoid, ${path[ACTIVATION]}`,
        formats[path[ACTIVATION]].digits(scores.wide(path)?.[at] ?? scores.activation(path)(logit)),
      ]);
    list.push(
      [`stored, ${stored.name}`, stored.digits(score)],
      ["exactly", exactDecimal(score)],
      [`next in ${stored.name}`, pair(stored, [stored.next(score, -1), stored.next(score)])],
    );
    const near = scores.neighbours(path, at);
    if (near) list.push(["next on this path", pair(scores.format(path), near)]);
    return make(
      "dl",
      { class: "facts" },
      ...list.flatMap(([name, value]) => [make("dt", { text: name }), make("dd", { text: value })]),
    );
  }
  function pair(format, values) {
    const [below, above] = values.map((x) => (x === null ? "none" : format.digits(x)));
    return `${below} below, ${above} above`;
  }
  function bits(format, score) {
    const [sign, exponent, fraction] = format.bitsOf(score);
    const cells = (kind, text) =>
      make(
        "span",
        { class: kind },
        make("small", { text: kind }),
        make(
          "span",
          {},
          ...[...text].map((bit) => make("i", { class: bit === "1" ? "on" : null, text: bit })),
        ),
      );
    return make(
      "div",
      {
        class: "bits",
        role: "img",
        "aria-label": `Bits in ${format.name}: sign ${sign}, exponent ${exponent}, fraction ${fraction}`,
      },
      cells("sign", sign),
      cells("exponent", exponent),
      cells("fraction", fraction),
    );
  }
  /** The logits that share the score. */
  function hidden(path) {
    const forward = payload.formats[path[FORWARD]];
    const name = (x) => make("b", { text: forward.digits(x) });
    if (!view.span)
      return make("p", {
        text: "Which logits share it is not in this file; in Python, analysis.steps.spans tells.",
      });
    const [first, last] = view.span;
    if (first === last) return make("p", {}, "Only the logit ", name(first), " has this score.");
    if (last === forward.max)
      return make("p", {}, "Every logit from ", name(first), " on has this score.");
    if (first === -forward.max)
      return make("p", {}, "Every logit up to ", name(last), " has this score.");
    return make(
      "p",
      {},
      "Every logit from ",
      name(first),
      " to ",
      name(last),
      " has this score: a difference of ",
      make("b", { text: short(last - first) }),
      " is hidden.",
    );
  }
  /** Who else has the score, as float32 orders them. */
  function sharers() {
    const { now, inspected, from } = view;
    const [place, size] = now.groupOf(inspected);
    if (size < 2) return [];
    const logits = payload.array("logits", "float32");
    const tied = [...now.rows.subarray(place, place + size)];
    tied.sort((a, b) => logits[from + b] - logits[from + a] || a - b);
    const item = (row) =>
      make(
        "li",
        { class: row === inspected ? "me" : null },
        button(payload.passages[from + row], () => view.parts.list.choose(row), { dir: "auto" }),
        " ",
        make("span", { text: payload.formats.float32.digits(logits[from + row]) }),
      );
    const rest = size > MOST_SHARERS ? ` (the first ${MOST_SHARERS})` : "";
    return [
      make("p", {
        text: `${counted(size - 1, "other passage has", "other passages have")} it too. By their float32 logits${rest}:`,
      }),
      make("ol", { class: "sharers" }, ...tied.slice(0, MOST_SHARERS).map(item)),
    ];
  }
  return { node, show };
}
