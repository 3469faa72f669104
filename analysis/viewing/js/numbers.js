// The numbers of this query and of the set, in the words of the glossary.

function numbers(view) {
  const headings = {
    ones: "exactly 1.0",
    first: "first place",
    tied: "tied",
    moved: "moved",
    ndcg: `nDCG@${view.payload.k}`,
  };
  const tiles = Object.fromEntries(
    Object.entries(headings).map(([name, heading]) => [
      name,
      tile(heading, view.payload.queries.length),
    ]),
  );
  const words = make("p", { class: "words" });
  const live = make("p", { class: "hidden", role: "status" });
  const node = make(
    "div",
    { class: "numbers" },
    words,
    make("dl", { class: "tiles" }, ...Object.values(tiles).map(({ node }) => node)),
    live,
  );

  function show() {
    const {
      state,
      all,
      payload: { k },
    } = view;
    const one = view.counts[state.query];
    const raw = !hasSigmoid(state.path);
    const zeros = one.zeros ? `, ${one.zeros} exactly 0.0` : "";
    const groups = view.now.groups.filter(([from, to]) => to - from > 1).length;
    tiles.ones.show(
      raw ? "none" : `${one.ones}`,
      raw ? "scores are logits" : `of ${one.candidates}${zeros}`,
      all && !raw && `${count(all.ones)} of ${count(all.candidates)}`,
      !raw && one.ones > 0,
    );
    tiles.first.show(
      `${one.firstSize}`,
      one.first_shared ? "share it" : one.first_lost ? "has it, another than before" : "has it",
      all && `shared in ${count(all.first_shared)}, lost in ${count(all.first_lost)}`,
      one.first_shared || one.first_lost,
    );
    tiles.tied.show(
      `${one.tied}`,
      `of ${one.candidates}, in ${counted(groups, "group")}`,
      all &&
        `${count(all.tied)} of ${count(all.candidates)}, ${count(all.tied_in_top)} in top ${k}`,
    );
    tiles.moved.show(
      `${one.moved}`,
      `of ${one.candidates}${one.reordered ? `, top ${k} reordered` : ""}`,
      all && `${count(all.moved)}, top ${k} reordered in ${count(all.reordered)}`,
    );
    tiles.ndcg.show(
      ...measure(one, view.otherMeasures),
      all && all.ndcg !== null && `${fixed(all.ndcg)} ${range(all)}`,
      isRange(one),
    );
    sayPath(view.parts.presets.takers(state.path));
  }
  function sayPath(takers) {
    const names = takers.slice(0, 3).join("; ");
    const hasNone = isDtype(view.payload, view.state.path[FORWARD])
      ? " No engine in the catalogue does this."
      : "";
    const more = takers.length > 3 ? ` and ${takers.length - 3} more` : "";
    words.replaceChildren(
      make("b", { text: pathWords(view.state.path) }),
      make("span", {
        text: names ? ` So do ${names}${more}.` : hasNone,
      }),
    );
  }
  /** One short sentence for whoever listens. */
  function say(isNewQuery) {
    const one = view.counts[view.state.query];
    const ones = hasSigmoid(view.state.path)
      ? `${one.ones} of ${one.candidates} exactly 1.0, `
      : "";
    live.textContent = `${isNewQuery ? `Query ${view.state.query + 1}: ` : ""}${ones}${harmText(one)}, ${one.moved} moved.`;
  }
  return { node, show, say, live };
}

function tile(label, queries) {
  const value = make("b");
  const detail = make("span", { class: "detail" });
  const all = make("dd", { class: "all" });
  const node = make(
    "div",
    { class: "tile" },
    make("dt", { text: label }),
    make("dd", {}, value, " ", detail),
    all,
  );
  function show(number, words, ofAll, isBad) {
    value.textContent = number;
    detail.textContent = words;
    all.textContent = queries > 1 ? `All ${count(queries)}: ${ofAll || "–"}` : "";
    node.classList.toggle("bad", Boolean(isBad));
  }
  return { node, show };
}

const fixed = (x) => x.toFixed(3);
const isRange = (counts) => counts.ndcg !== null && counts.ndcg_max - counts.ndcg_min > 5e-4;
const range = (counts) =>
  isRange(counts) ? `(${fixed(counts.ndcg_min)}–${fixed(counts.ndcg_max)})` : "";
function measure(counts, other) {
  if (counts.ndcg === null) return ["–", "a grade is missing"];
  return [fixed(counts.ndcg), `${range(counts)} was ${fixed(other.ndcg)}`];
}
