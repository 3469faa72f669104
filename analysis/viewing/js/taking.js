// What a reader takes along: Python, a link, a picture.

const NOTE_MS = 3000;
const PROOF_MS = 250;

/** Python that shows the same again; `logits` and `candidates` are the reader's own names. */
function pythonOf({ payload, state, from }) {
  const { formats, reference } = payload;
  const hasRuntimes = payload.forwardFormats.some((name) => !isDtype(payload, name));
  const id = (text, isNumber) => (isNumber ? text : JSON.stringify(text));
  const [queries, passages] = payload.wholeNumbers;
  const path = ([forward, ...others]) =>
    `ScorePath(${[dtypeOf(formats[forward]), ...others].map((stage) => JSON.stringify(stage)).join(", ")})`;
  const own = JSON.stringify(state.path[FORWARD]);
  const shown = [`query=${id(payload.queries[state.query], queries)}`, "path=path"];
  if (state.selected !== null)
    shown.push(`selected=${id(payload.passages[from + state.selected], passages)}`);
  if (!samePath(state.against, reference)) shown.push(`against=${path(state.against)}`);
  if (!isDtype(payload, state.path[FORWARD])) shown.push(`forward_format=${own}`);
  if (!isDtype(payload, state.against[FORWARD]))
    shown.push(`against_format=${JSON.stringify(state.against[FORWARD])}`);
  const lines = [
    "from analysis import ScorePath, apply, effects, view",
    ...(hasRuntimes ? ["from analysis.forwardformats import of_format"] : []),
    "",
    `path = ${path(state.path)}`,
    `ranked = apply(${hasRuntimes ? `of_format(logits, ${own})` : "logits"}, path)`,
    "counts = effects(logits, path)",
    `view(logits, candidates, ${shown.join(", ")})`,
    "",
  ];
  return lines.join("\n");
}

/** The state as a link's fragment; paths stand in it as the command line reads them. */
function linkOf(view) {
  const { query, path, against, selected } = borderState(view);
  const parts = { query, path: pathText(path), against: pathText(against) };
  return `#${new URLSearchParams(selected === null ? parts : { ...parts, passage: selected })}`
    .replaceAll("%3D", "=")
    .replaceAll("%2C", ",");
}

/** What a link's fragment asks for, as `View.known` takes it. */
function stateOf(fragment) {
  const asked = new URLSearchParams(fragment.slice(1));
  const path = (name) => pathOf(asked.get(name) ?? "");
  const state = {
    query: asked.get("query"),
    path: path("path"),
    against: path("against"),
    selected: asked.get("passage"),
  };
  return Object.fromEntries(Object.entries(state).filter(([, value]) => value));
}

function taking(view, hasLink) {
  const note = make("span", { class: "note" });
  const proof = make("span", { class: "proof" });
  const link = button("Copy link", () => copy(location.href.split("#")[0] + linkOf(view), "Link"), {
    hidden: !hasLink,
  });
  const node = make(
    "div",
    { class: "taking" },
    button("Copy as Python", () => copy(pythonOf(view), "Python")),
    link,
    button("Save picture (SVG)", () => save(view)),
    note,
    proof,
  );
  let timer;

  async function copy(text, what) {
    clearTimeout(timer);
    try {
      await navigator.clipboard.writeText(text);
      note.textContent = `${what} copied`;
      view.say(note.textContent);
      timer = setTimeout(() => note.replaceChildren(), NOTE_MS);
    } catch {
      // a sandbox without a clipboard: the text itself, to be copied by hand
      const box = make("textarea", {
        class: "copied",
        readonly: true,
        rows: 6,
        "aria-label": `${what} to copy`,
        text,
      });
      note.replaceChildren(box);
      box.select();
    }
  }
  /** Say whether the scores are Python's, once the drawing is done. */
  function show() {
    clearTimeout(show.timer);
    show.timer = setTimeout(() => {
      const isProven = view.scores.isProven(view.state.path);
      proof.className = isProven ? "proof" : "proof bad";
      proof.textContent = isProven
        ? `✓ ${counted(view.payload.size, "score")} bitwise equal to Python’s`
        : "✗ These scores differ from Python’s";
    }, PROOF_MS);
  }
  return { node, show };
}

/** A text without the characters that no XML file can hold: a query may have them. */
function ofXml(text) {
  return text.replace(/[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "\ufffd");
}

/** The staircase as a file of its own, in the colours that it has on the screen, with its caption. */
function save({
  parts: {
    picture: { svg, caption },
  },
  app,
  payload,
  state,
}) {
  const { width, height } = svg.viewBox.baseVal;
  const colors = getComputedStyle(app);
  const words = pathWords(state.path);
  const rules = CSS_TEXT.split("/* picture */")[1].replace(/var\((--[\w-]+)\)/g, (_, name) =>
    colors.getPropertyValue(name),
  );
  const file = draw(
    "svg",
    { xmlns: SVG, viewBox: `0 0 ${width} ${height + 40}`, width, height: height + 40 },
    draw("title", { text: `${payload.queryTexts[state.query]}: ${words}` }),
    draw("desc", { text: svg.getAttribute("aria-label") }),
    draw("style", { text: rules }),
    draw("rect", { class: "paper", width: "100%", height: "100%" }),
    ...svg.cloneNode(true).children,
    tick(words, 8, height + 12, "start", "name"),
    tick(caption.textContent, 8, height + 29, "start", "name"),
  );
  const url = URL.createObjectURL(
    new Blob([ofXml(new XMLSerializer().serializeToString(file))], { type: "image/svg+xml" }),
  );
  make("a", {
    href: url,
    download: `${payload.queries[state.query].replace(/[^\p{L}\p{N}_-]+/gu, "_")}.svg`,
  }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
