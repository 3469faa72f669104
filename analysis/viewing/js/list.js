// The ranked list: score, tie bracket, move and text of each passage. Only rows in sight exist.

const ROW = 44; // pixels, as in view.css
const SPARE = 4; // rows above and below those in sight
const MOST_GLIDING = 200;
const LONGEST_TEXT = 320;

function rankedList(view) {
  const { payload, uid } = view;
  const rows = new Map(); // row → its elements
  const list = make("div", {
    class: "rows",
    role: "listbox",
    tabindex: "0",
    "aria-label": "Passages in the order of the path",
    onkeydown: (event) => press(event),
  });
  const scroller = make("div", { class: "scroller", tabindex: "-1" }, list);
  const heads = make(
    "div",
    { class: "heads", "aria-hidden": "true" },
    ...["before", "now", "score", "passage"].map((text) => make("span", { text })),
  );
  const node = make("div", { class: "list" }, heads, scroller);
  let top = 0;
  let shownQuery = -1;
  scroller.addEventListener(
    "scroll",
    () => {
      top = scroller.scrollTop;
      show(false);
    },
    { passive: true },
  );

  function press(event) {
    const { now } = view;
    const place = now.place[view.inspected];
    const page = Math.max(1, Math.floor(view.sizes.list / ROW) - 1);
    const to = {
      ArrowDown: place + 1,
      ArrowUp: place - 1,
      Home: 0,
      End: now.count - 1,
      PageDown: place + page,
      PageUp: place - page,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    choose(now.rows[clamp(to, 0, now.count - 1)]);
  }
  function choose(row) {
    reveal(row);
    view.set({ selected: row });
  }
  function reveal(row) {
    const y = view.now.place[row] * ROW;
    const height = view.sizes.list;
    if (y < top) scroller.scrollTop = top = y;
    else if (y + ROW > top + height) scroller.scrollTop = top = y + ROW - height;
  }
  function build(row) {
    const at = view.from + row;
    const grade = payload.grades[at];
    const line = draw("line", { class: "slope", x1: 6, x2: 44, y2: ROW / 2 });
    const dot = draw("circle", { class: "was", cx: 6, r: 3 });
    const rank = make("b", { class: "rank" });
    const move = make("span", { class: "move" });
    const score = make("span", { class: "score" });
    const tie = make("span", { class: "tie" });
    const node = make(
      "div",
      { role: "option", id: `${uid}-row${row}`, onclick: () => choose(row) },
      draw("svg", { class: "slopes", "aria-hidden": "true" }, line, dot),
      make("span", { class: "ranks" }, rank, move),
      make("span", { class: "bracket" }),
      make("span", { class: "values" }, score, tie),
      make(
        "span",
        { class: "body" },
        make("span", { class: "grade", text: gradeText(grade, payload.mostGrade) }),
        make("bdi", { class: "id", text: payload.passages[at] }),
        make("bdi", { class: "text", text: payload.passageText(at).slice(0, LONGEST_TEXT) }),
      ),
    );
    return { node, line, dot, rank, move, score, tie };
  }
  function show(isGliding) {
    const { now, before, state, inspected } = view;
    if (shownQuery !== state.query) {
      shownQuery = state.query;
      rows.clear();
      list.replaceChildren();
      scroller.scrollTop = top = 0;
      isGliding = false;
    }
    const from = Math.max(0, Math.floor(top / ROW) - SPARE);
    const to = Math.min(now.count, Math.ceil((top + view.sizes.list) / ROW) + SPARE);
    const inSight = new Set(now.rows.subarray(from, to));
    for (const [row, { node }] of rows)
      if (!inSight.has(row)) {
        node.remove();
        rows.delete(row);
      }
    list.style.height = `${now.count * ROW}px`;
    list.classList.toggle("gliding", isGliding && now.count <= MOST_GLIDING);
    const texts = aligned(
      [...inSight].map((row) => now.scores[row]),
      view.scores.format(state.path),
    );
    node.style.setProperty("--digits", Math.max(...texts.map((text) => text.length)));
    [...inSight].forEach((row, n) => {
      if (!rows.has(row)) rows.set(row, build(row));
      place(row, rows.get(row), { now, before, isChosen: row === inspected, text: texts[n] });
    });
    if (inSight.has(inspected))
      list.setAttribute("aria-activedescendant", `${uid}-row${inspected}`);
    else list.removeAttribute("aria-activedescendant");
  }
  function place(row, parts, { now, before, isChosen, text }) {
    const at = now.place[row];
    const [from, size] = now.groupOf(row);
    const rank = now.rank[row];
    const was = before.rank[row];
    const isTied = size > 1;
    const kind = rank < was ? "up" : rank > was ? "down" : "";
    const { node, line, dot } = parts;
    const y = (before.place[row] - at) * ROW + ROW / 2;
    node.className = [
      "row",
      kind,
      isTied && "tied",
      isTied && at === from && "first",
      isTied && at === from + size - 1 && "last",
      isChosen && "chosen",
    ]
      .filter(Boolean)
      .join(" ");
    node.style.transform = `translateY(${at * ROW}px)`;
    line.setAttribute("y1", y);
    dot.setAttribute("cy", y);
    parts.rank.textContent = rankText(rank);
    parts.move.textContent = kind && `${kind === "up" ? "▲" : "▼"} ${rankText(was)}`;
    parts.score.textContent = text;
    parts.tie.textContent =
      isTied && at === from ? `${count(size)} tied: ${from + 1}–${from + size}` : "";
    const grade = payload.grades[view.from + row];
    const said = [
      `Rank ${rankText(rank)}`,
      isTied && `tied with ${counted(size - 1, "other")}`,
      `score ${text.trim()}`,
      kind && `${kind} from ${rankText(was)}`,
      grade !== null && `grade ${grade}`,
    ];
    node.setAttribute(
      "aria-label",
      `${said.filter(Boolean).join(", ")}. ${payload.passages[view.from + row]}: ${payload.passageText(view.from + row).slice(0, 160)}`,
    );
    node.setAttribute("aria-selected", String(isChosen));
    node.setAttribute("aria-posinset", at + 1);
    node.setAttribute("aria-setsize", now.count);
    if (!node.parentNode) list.append(node);
  }
  return { node, show, choose, scroller };
}

/** Scores as texts whose decimal points stand below each other. */
function aligned(scores, format) {
  const texts = scores.map((score) => format.scoreText(score));
  const whole = texts.map((text) => text.split(/[.e]/)[0].length);
  const widest = Math.max(...whole);
  return texts.map((text, n) => "\u2007".repeat(widest - whole[n]) + text);
}

/** Grades of the usual small scales as dots, others as numbers. */
function gradeText(grade, most) {
  if (grade === null) return "";
  return most <= 3 && grade >= 0
    ? "●".repeat(grade) + "○".repeat(Math.max(most, 1) - grade)
    : `grade ${grade}`;
}
