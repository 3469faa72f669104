// The view: one state, one place that changes it, one that draws it.

const MOST_AT_ONCE = 20_000; // rows that are counted before the next frame; of a larger set, in turns after it
const TURN_MS = 8;
const MOST_UNDONE = 100;

class View {
  /** Put a view into an element. `changed` hears every change that a reader makes; `wanted` is as it says. */
  constructor(host, payload, wanted = {}, changed = () => {}, hasLink = false) {
    Object.assign(this, {
      host,
      payload,
      changed,
      scores: new Scores(payload),
      uid: `rerank${++views}`,
      past: [],
      leaving: [],
    });
    const { reference } = payload;
    const path = reference.with(FORMULA, FORMULAS[0]);
    this.state = {
      query: 0,
      path,
      against: reference,
      selected: null,
      zoom: "all",
      ...this.known(wanted, 0),
    };
    this.sizes = { picture: 460, strip: 240, list: 600 };
    this.build(hasLink);
    this.followTheme();
    this.followSize();
    this.count();
    this.show();
  }

  build(hasLink) {
    const makers = {
      picker: queryPicker,
      strip: queryStrip,
      presets,
      controls: pathControls,
      numbers,
      list: rankedList,
      picture,
      inspector,
    };
    const parts = Object.fromEntries(
      Object.entries(makers).map(([name, maker]) => [name, maker(this)]),
    );
    const { node } = (parts.taking = taking(this, hasLink));
    this.app = make(
      "section",
      {
        class: "app",
        "aria-label": "Reranking under a score path",
        onkeydown: (event) => this.press(event),
      },
      make("div", { class: "top" }, parts.picker.node, parts.strip.node),
      parts.presets.node,
      parts.controls.node,
      parts.numbers.node,
      make(
        "div",
        { class: "main" },
        parts.list.node,
        make("div", { class: "side" }, parts.picture.node, parts.inspector.node),
      ),
      node,
    );
    this.parts = parts;
    const root = this.host.shadowRoot ?? this.host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS_TEXT);
    root.adoptedStyleSheets = [sheet];
    root.replaceChildren(this.app);
    this.host.dataset.lmSuppressShortcuts = "true"; // JupyterLab's keys are not meant by those typed here
  }

  /** What there is of a wanted state, as it is kept here: places for ids. */
  known({ query, path, against, selected }, current) {
    const { payload, scores } = this;
    const known = {};
    const n = payload.queries.indexOf(query);
    if (n >= 0) known.query = n;
    if (Array.isArray(path) && scores.has(path)) known.path = path;
    if (Array.isArray(against) && scores.has(against)) known.against = against;
    const from = payload.starts[n < 0 ? current : n];
    const row = payload.passages.indexOf(selected, from);
    if (selected !== undefined)
      known.selected =
        row < 0 || row >= from + payload.arrays.candidates[n < 0 ? current : n] ? null : row - from;
    return known;
  }

  /** Follow a state that was set elsewhere; it is not told back. */
  follow(wanted) {
    this.set(this.known(wanted, this.state.query), { isTold: false });
  }

  set(change, { isTold = true, isUndone = false } = {}) {
    const { query, path, against } = this.state;
    const isNewQuery = change.query !== undefined && change.query !== query;
    this.state = { ...this.state, ...(isNewQuery ? { selected: null } : {}), ...change };
    const isOther = !samePath(path, this.state.path) || !samePath(against, this.state.against);
    if (!isUndone && (isNewQuery || isOther))
      this.past = [...this.past.slice(1 - MOST_UNDONE), { query, path, against }];
    if (isOther) this.count();
    this.show(isNewQuery || isOther, !isNewQuery && isOther);
    if (isNewQuery || isOther) this.parts.numbers.say(isNewQuery);
    if (isTold) this.changed(borderState(this));
  }

  undo() {
    const last = this.past.pop();
    if (last) this.set(last, { isUndone: true });
  }

  say(sentence) {
    this.parts.numbers.live.textContent = sentence;
  }

  /** Count what the path does to every query; of a large set only to the one in sight, and to all in turns. */
  count() {
    const { queries, size } = this.payload;
    const counts = [];
    const countSome = (end) => {
      while (counts.length < queries.length && performance.now() < end)
        counts.push(this.countOne(counts.length));
      if (counts.length < queries.length) return this.countLater(countSome);
      this.counts = counts;
      this.all = countAll(counts);
    };
    clearTimeout(this.counting);
    if (size <= MOST_AT_ONCE) return countSome(Infinity);
    this.counts = queries.map(() => UNCOUNTED);
    this.all = null;
    this.countLater(countSome);
  }

  countLater(countSome) {
    this.counting = setTimeout(() => {
      countSome(performance.now() + TURN_MS);
      if (this.all) this.show();
    }, TURN_MS);
  }

  countOne(n) {
    const [order, other] = this.ordersOf(n);
    return countQuery(order, other, this.gradesOf(n), this.payload.k);
  }

  /** A query under the path, and under the one compared with: where that itself ties, the path's tie rule decides in both. */
  ordersOf(n) {
    const { path, against } = this.state;
    return [orderOf(this.scores, path, n), orderOf(this.scores, against, n, path[TIES])];
  }

  gradesOf(n) {
    const { starts, grades, arrays } = this.payload;
    return grades.slice(starts[n], starts[n] + arrays.candidates[n]);
  }

  /** Draw everything, or what follows the selection alone; rows glide where another path moves them. */
  show(isNew = true, isGliding = false) {
    const {
      state: { query, path, selected },
      payload,
      parts,
      scores,
    } = this;
    if (isNew) {
      this.from = payload.starts[query];
      [this.now, this.before] = this.ordersOf(query);
      if (!this.all) this.counts[query] = this.countOne(query);
      this.otherMeasures = ndcg(this.before, this.gradesOf(query), payload.k);
      const best = this.now.rows[0];
      const isOne = hasSigmoid(path) && this.now.scores[best] === 1;
      this.oneFrom = isOne ? scores.span(path, this.from + best)?.[0] : undefined;
    }
    this.inspected = selected ?? this.now.rows[0];
    this.span = scores.span(path, this.from + this.inspected);
    if (isNew)
      for (const part of ["presets", "controls", "picker", "strip", "numbers", "taking"])
        parts[part].show();
    parts.list.show(isGliding);
    parts.picture.show();
    parts.inspector.show();
  }

  press(event) {
    const isText = event.composedPath()[0].matches("input[type=text], textarea");
    const isCommand = event.ctrlKey || event.metaKey || event.altKey;
    const isUndo = event.key === "z" && (event.ctrlKey || event.metaKey) && !isText;
    if (isUndo) {
      this.undo();
      event.preventDefault();
    }
    if (isUndo || (event.key !== "Tab" && !isCommand)) event.stopPropagation(); // a notebook would take it as a command
  }

  /** Light or dark, as whatever lies behind the view. */
  followTheme() {
    const media = matchMedia("(prefers-color-scheme: dark)");
    const adapt = () => {
      this.app.dataset.theme = isDark(this.host, media.matches) ? "dark" : "light";
    };
    const watcher = new MutationObserver(adapt);
    for (const node of [document.documentElement, document.body])
      watcher.observe(node, { attributes: true });
    media.addEventListener("change", adapt);
    this.leaving.push(
      () => watcher.disconnect(),
      () => media.removeEventListener("change", adapt),
    );
    adapt();
  }

  /** Sizes are read when they change, never while something is drawn: that would lay out everything anew. */
  followSize() {
    const {
      picture: { node },
      strip: { bar },
      list: { scroller },
    } = this.parts;
    const measure = () => {
      const sizes = {
        picture: node.clientWidth,
        strip: bar.clientWidth,
        list: Number.parseFloat(getComputedStyle(scroller).maxHeight),
      };
      const changed = Object.entries(sizes).filter(
        ([name, size]) => size > 0 && Math.abs(size - this.sizes[name]) > 1,
      );
      Object.assign(this.sizes, Object.fromEntries(changed));
      return changed.length > 0;
    };
    const observer = new ResizeObserver(() => {
      if (measure()) this.show();
    });
    measure();
    observer.observe(this.app);
    this.leaving.push(() => observer.disconnect());
  }

  leave() {
    clearTimeout(this.counting);
    for (const step of this.leaving) step();
    this.host.shadowRoot.replaceChildren();
  }
}

/** The state as others know it: by ids. */
function borderState({ payload, state: { query, path, against, selected } }) {
  return {
    query: payload.queries[query],
    path,
    against,
    selected: selected === null ? null : payload.passages[payload.starts[query] + selected],
  };
}

const UNCOUNTED = { first_shared: 0, first_lost: 0, firstSize: 0, tied: 0, tied_in_top: 0 };

/** What the host's theme says; without one, what colour lies behind; without that, what the system prefers. */
function isDark(host, isPreferred) {
  const { theme } = document.documentElement.dataset;
  const { jpThemeLight, vscodeThemeKind } = document.body.dataset;
  if (theme) return theme === "dark";
  if (jpThemeLight) return jpThemeLight === "false";
  if (vscodeThemeKind) return !vscodeThemeKind.includes("light");
  for (let node = host; node; node = node.parentElement) {
    const [red, green, blue, alpha = 1] =
      getComputedStyle(node).backgroundColor.match(/[\d.]+/g) ?? [];
    if (red && alpha > 0.5) return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
  }
  return isPreferred;
}
