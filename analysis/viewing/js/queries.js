// Choosing a query: search by words, step through them, or see in the strip which are hit.

const MOST_FOUND = 100;
const STRIP_HEIGHT = 28;

/** What a path does to a query, in words. */
function harmText({ first_shared, first_lost, firstSize, tied }) {
  if (first_shared) return `first place shared by ${firstSize}`;
  return first_lost ? "first place lost" : tied ? `${tied} tied` : "no ties";
}

function queryPicker(view) {
  const { payload, uid } = view;
  const many = payload.queries.length;
  const texts = payload.queries.map((id, n) =>
    `${id} ${payload.queryTexts[n]}`.toLocaleLowerCase(),
  );
  const input = make("input", {
    type: "text",
    role: "combobox",
    autocomplete: "off",
    spellcheck: "false",
    "aria-label": "Query: type words to search",
    "aria-expanded": "false",
    "aria-autocomplete": "list",
    "aria-controls": `${uid}-queries`,
    onclick: () => open(""),
    oninput: () => open(input.value),
    onblur: () => close(),
    onkeydown: (event) => press(event),
  });
  const popup = make("ul", {
    role: "listbox",
    id: `${uid}-queries`,
    class: "popup",
    hidden: true,
    tabindex: "-1",
    "aria-label": "Queries",
  });
  const place = make("span", { class: "place", "aria-hidden": "true" });
  let found = []; // queries that have the words
  let active = -1; // which of them Enter takes

  function open(words) {
    const wanted = words.toLocaleLowerCase().split(/\s+/);
    if (!words) input.select();
    found = [...texts.keys()].filter((n) => wanted.every((word) => texts[n].includes(word)));
    active = words ? 0 : view.state.query;
    list();
  }
  function list() {
    const from = clamp(active - MOST_FOUND / 2, 0, Math.max(0, found.length - MOST_FOUND));
    const options = found.slice(from, from + MOST_FOUND).map(option);
    const rest = found.length - options.length;
    const current = options[active - from];
    if (rest || !options.length)
      options.push(
        make("li", {
          class: "rest",
          role: "presentation",
          text: rest ? `${count(rest)} more: type words` : "No query has these words.",
        }),
      );
    popup.replaceChildren(...options);
    popup.hidden = false;
    input.setAttribute("aria-expanded", "true");
    input.setAttribute("aria-activedescendant", current?.id ?? "");
    current?.setAttribute("aria-selected", "true");
    if (current) popup.scrollTop = current.offsetTop - popup.clientHeight / 2;
  }
  function option(n) {
    const take = (event) => {
      event.preventDefault();
      choose(n);
    };
    return make(
      "li",
      { role: "option", id: `${uid}-query${n}`, "aria-selected": "false", onmousedown: take },
      make("span", { class: "id", dir: "auto", text: payload.queries[n] }),
      make("bdi", { text: payload.queryTexts[n] }),
      make("span", {
        class: view.counts[n].first_shared ? "harm hit" : "harm",
        text: harmText(view.counts[n]),
      }),
    );
  }
  function close() {
    popup.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.setAttribute("aria-activedescendant", "");
    show();
  }
  function choose(n) {
    close();
    view.set({ query: n });
  }
  function press(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
    if (steps && popup.hidden) open("");
    else if (steps) {
      active = clamp(active + steps, 0, found.length - 1);
      list();
    } else if (event.key === "Enter" && !popup.hidden && found.length) choose(found[active]);
    else if (event.key === "Escape" && !popup.hidden) close();
    else return;
    event.preventDefault();
  }
  function show() {
    const text = payload.queryTexts[view.state.query];
    if (popup.hidden) input.value = text;
    input.title = text;
    place.textContent = `${count(view.state.query + 1)} of ${count(many)}`;
  }
  const step = (by) => () => view.set({ query: (view.state.query + by + many) % many });
  const node = make(
    "div",
    { class: "picker" },
    button("‹", step(-1), { class: "step", "aria-label": "Previous query" }),
    make("div", { class: "search" }, input, place, popup),
    button("›", step(1), { class: "step", "aria-label": "Next query" }),
  );
  return { node, show };
}

/** One bar for each query, as high as the number of passages that share its first place. */
function queryStrip(view) {
  const { payload } = view;
  const last = payload.queries.length - 1;
  const svg = draw("svg", { "aria-hidden": "true", preserveAspectRatio: "none" });
  const bar = make(
    "div",
    {
      class: "strip",
      role: "slider",
      tabindex: "0",
      "aria-label": "Queries",
      "aria-valuemin": 1,
      "aria-valuemax": last + 1,
      onkeydown: (event) => press(event),
      onclick: (event) => view.set({ query: at(event) }),
    },
    svg,
  );
  const legend = make("small", {
    "aria-hidden": "true",
    text: "how many share the first place, by query",
  });
  const said = (n) => `${payload.queries[n]}, ${n + 1} of ${last + 1}: ${harmText(view.counts[n])}`;

  function press(event) {
    const n = view.state.query;
    const to = {
      ArrowRight: n + 1,
      ArrowUp: n + 1,
      ArrowLeft: n - 1,
      ArrowDown: n - 1,
      PageUp: n + 10,
      PageDown: n - 10,
      Home: 0,
      End: last,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    view.set({ query: clamp(to, 0, last) });
  }
  function at({ clientX }) {
    const { left, width } = bar.getBoundingClientRect();
    return clamp(Math.floor(((clientX - left) / width) * (last + 1)), 0, last);
  }
  function show() {
    const { counts, state, sizes } = view;
    const each = sizes.strip / (last + 1);
    const bars = { hit: "", tied: "", none: "" };
    const highest = counts.reduce((high, { firstSize }) => Math.max(high, firstSize), 4);
    let drawn = {}; // with more queries than pixels, the worst of each
    counts.forEach(({ first_shared, firstSize, tied_in_top }, n) => {
      const kind = first_shared ? "hit" : tied_in_top ? "tied" : "none";
      const x = each < 2 ? Math.round(n * each) : n * each;
      const height = { hit: Math.max(5, (firstSize / highest) * STRIP_HEIGHT), tied: 3, none: 1 }[
        kind
      ];
      if (drawn.x === x && drawn.height >= height) return;
      drawn = { x, height };
      bars[kind] +=
        `M${x.toFixed(1)} ${STRIP_HEIGHT}v${-height.toFixed(1)}h${Math.max(each - 1, 1).toFixed(1)}V${STRIP_HEIGHT}z`;
    });
    svg.setAttribute("viewBox", `0 -7 ${sizes.strip} ${STRIP_HEIGHT + 7}`);
    svg.replaceChildren(
      ...Object.entries({
        ...bars,
        here: `M${((state.query + 0.5) * each - 0.5).toFixed(1)} -1l-4.5 -6h9z`,
      }).map(([kind, d]) => draw("path", { class: kind, d })),
    );
    bar.setAttribute("aria-valuenow", state.query + 1);
    bar.setAttribute("aria-valuetext", said(state.query));
  }
  return { node: make("div", { class: "overview" }, bar, legend), show, bar };
}
