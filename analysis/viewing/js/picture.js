// The staircase of a path, with the passages on its treads. Scores stand on the scale of log-odds, where an
// exact sigmoid is the straight line; exactly 1.0 and 0.0, which have no place on it, have lanes.

const LANE = 26;
const FINEST = 0.4; // pixels: height of a lane, width of the finest tread that is drawn
const TENTHS = Array.from({ length: 15 }, (_, n) => 10 ** -(n + 1));

function picture(view) {
  const svg = draw("svg", { class: "stairs", role: "img", onclick: (event) => pick(event) });
  const caption = make("figcaption");
  const parts = [
    ["all", "all passages"],
    ["top", `top ${view.payload.k}`],
    ["step", "this step"],
  ];
  const zoom = radios(`${view.uid}-zoom`, "Show", parts, (part) => view.set({ zoom: part }));
  let points = []; // [x, y, row] of what is in sight

  function show() {
    const scene = sceneOf(view);
    const { plot } = scene;
    const treads = treadsOf(view.scores, scene);
    points = pointsOf(view, scene);
    svg.setAttribute("viewBox", `0 0 ${scene.width} ${scene.height}`);
    svg.setAttribute("height", scene.height);
    svg.setAttribute(
      "aria-label",
      `${counted(view.now.count, "passage")} on ${counted(view.now.groups.length, "score")}; ${view.counts[view.state.query].tied} share a tread with another.`,
    );
    svg.replaceChildren(
      ...lanes(scene),
      ...scales(scene),
      ...edges(view, scene),
      ...stairs(scene, treads),
      ...ties(view, scene),
      ...dots(view, points),
      draw("path", { class: "axis", d: `M${plot.left} ${plot.top}V${plot.bottom}H${plot.right}` }),
    );
    caption.textContent = captionOf(scene, treads);
    zoom.show(view.state.zoom);
  }
  function pick({ clientX, clientY }) {
    const box = svg.getBoundingClientRect();
    const away = ([x, y]) => Math.hypot(x - clientX + box.left, y - clientY + box.top);
    const nearest = points.reduce(
      (best, point) => (away(point) < away(best) ? point : best),
      [Infinity, 0],
    );
    if (away(nearest) < 20) view.parts.list.choose(nearest[2]);
  }
  return {
    node: make("figure", { class: "picture" }, zoom.node, svg, caption),
    show,
    svg,
    caption,
  };
}

/** The part of the plane that is shown, and where its values stand in pixels. */
function sceneOf(view) {
  const {
    state: { path },
    now,
    sizes,
  } = view;
  const width = Math.max(sizes.picture, 260);
  const isRaw = !hasSigmoid(path);
  const height = Math.round(clamp(width * 0.62, 250, 400));
  const plot = { left: 64, right: width - 12, top: 24, bottom: height - 42 };
  const lane = isRaw ? 0 : LANE;
  const under = isRaw || now.groups.at(-1)[2] > 0 ? 0 : LANE;
  const logits = view.payload.logits(path).subarray(view.from, view.from + now.count);
  const [low, high] = ends(view, logits);
  const ceiling = plot.top + lane;
  const floor = plot.bottom - under;
  const along = (value) => (value - low) / (high - low);
  const x = (logit) => plot.left + along(logit) * (plot.right - plot.left);
  const y = (score) => {
    const odds = isRaw ? score : logOdds(score);
    if (Math.abs(odds) === Infinity) return odds > 0 ? ceiling - lane / 2 : floor + under / 2;
    return clamp(floor - along(odds) * (floor - ceiling), ceiling, floor);
  };
  return { path, width, height, plot, lane, under, ceiling, floor, isRaw, logits, low, high, x, y };
}

const logOdds = (score) => Math.log(score) - Math.log(1 - score);
const sigma = (x) => 1 / (1 + Math.exp(-x)); // for the scale of a picture alone: no score comes from here

/** Logits from which to which the picture goes. */
function ends({ now, state, payload, span }, logits) {
  const rows = state.zoom === "top" ? now.rows.subarray(0, payload.k) : now.rows;
  const finite = Array.from(rows, (row) => logits[row]).filter(Number.isFinite);
  let [low, high] = finite.length ? extent(finite) : [0, 0];
  if (state.zoom !== "step" || !span)
    return widened(low, high, Math.max((high - low) * 0.06, 0.05));
  [low, high] = [Math.max(span[0], low), Math.min(span[1], Math.max(high, span[0]))]; // a last step has no end
  return widened(low, high, 1.2 * Math.max(high - low, 2 ** -9 * Math.max(1, Math.abs(low))));
}
const widened = (low, high, margin) => [low - margin, high + margin];

/** Least and most of numbers, however many. */
function extent(numbers) {
  let [least] = numbers;
  let most = least;
  for (const x of numbers) {
    if (x < least) least = x;
    if (x > most) most = x;
  }
  return [least, most];
}

function lanes({ plot, ceiling, floor, lane, under }) {
  const shade = (y, height, text) =>
    height
      ? [
          draw("rect", { class: "lane", x: plot.left, y, width: plot.right - plot.left, height }),
          tick(text, plot.left - 7, y + height / 2 + 4, "end"),
        ]
      : [];
  return [...shade(ceiling - lane, lane, "= 1.0"), ...shade(floor, under, "= 0.0")];
}

const tick = (text, x, y, anchor, name = "tick") =>
  draw("text", { class: name, x, y, "text-anchor": anchor, text });

function scales({ path, width, plot, ceiling, floor, isRaw, low, high, x, y }) {
  const parts = ticks(low, high, width < 400 ? 4 : 7).map((logit) =>
    tick(short(logit, 6), x(logit), plot.bottom + 16, "middle"),
  );
  const taken = [];
  for (const score of isRaw ? ticks(low, high, 6) : scoreTicks(low, high)) {
    const at = y(score);
    if (at < ceiling + 7 || at > floor - 3 || taken.some((other) => Math.abs(other - at) < 19))
      continue;
    taken.push(at);
    parts.push(
      draw("path", { class: "grid", d: `M${plot.left} ${at.toFixed(1)}H${plot.right}` }),
      tick(isRaw ? short(score, 6) : tickText(score), plot.left - 7, at + 4, "end"),
    );
  }
  return [
    ...parts,
    tick(isRaw ? "score = logit" : "score, by its log-odds", 8, 14, "start", "name"),
    tick(
      `logit, as ${path[FORWARD]} holds it`,
      (plot.left + plot.right) / 2,
      plot.bottom + 36,
      "middle",
      "name",
    ),
  ];
}

/** Scores worth a tick: ½, nines and their mirror images; of a narrow part, round ones. */
function scoreTicks(low, high) {
  const wanted = [0.5, ...TENTHS.flatMap((tenth) => [tenth, 1 - tenth])].filter(
    (score) => logOdds(score) > low && logOdds(score) < high,
  );
  return wanted.length > 2 ? wanted : ticks(sigma(low), sigma(high), 5);
}
function tickText(score) {
  const rest = 1 - score;
  if (score < 0.5 || rest > 9e-6) return short(score, 7);
  return `1−10⁻${[...String(-Math.round(Math.log10(rest)))].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("")}`;
}
function ticks(low, high, want) {
  const rough = (high - low) / want;
  const power = 10 ** Math.floor(Math.log10(rough));
  const found = [];
  const step = [1, 2, 5, 10].map((n) => n * power).find((one) => one >= rough);
  for (let n = Math.ceil(low / step); n * step <= high; n++)
    found.push(Number((n * step).toPrecision(12)));
  return found;
}

/** Treads in sight, [from, to, score] each; none where they are too fine to be seen. */
function treadsOf(scores, { path, isRaw, low, high }) {
  const { formats } = scores.payload;
  const [forward, , last, held] = scores.reduced(path);
  const treads = [];
  const add = (from, score) => {
    if (treads.at(-1)?.[2] === score) return;
    if (treads.length) treads.at(-1)[1] = from;
    treads.push([Math.max(from, low), high, score]);
  };
  if (!isRaw && scores.isEverywhere(path)) {
    const { logits, scores: levels } = scores.staircase(path);
    const format = formats[last];
    const isExact = format.holds(formats[forward]);
    for (let n = lastAtMost(logits, low); n < logits.length && logits[n] <= high; n++) {
      // A logit that is rounded first joins a step from half a spacing below its first value on.
      add(
        isExact ? logits[n] : (logits[n] + format.next(logits[n], -1)) / 2,
        formats[held].round(levels[n]),
      );
    }
  } else if (
    formats[held].bits < 32 &&
    (!isRaw || formats[held].precision < formats[forward].precision)
  ) {
    // Drawn to the pixel: steps of a wide sigmoid's scores, or of logits, as a narrow dtype stores them.
    const format = formats[held];
    const [of, back] = isRaw ? [(x) => x, (x) => x] : [sigma, logOdds];
    let level = format.round(of(low));
    const end = format.round(of(high));
    add(low, level);
    for (let next = format.above(level); level < next && next <= end; next = format.above(next)) {
      add(back((level + next) / 2), next);
      level = next;
    }
  }
  return treads;
}

function stairs({ plot, ceiling, floor, x, y }, treads) {
  let d = "";
  let drawn = -Infinity;
  for (const [from, to, score] of treads) {
    const end = Math.min(x(to), plot.right);
    if (end - drawn < FINEST) continue;
    d += `M${Math.max(x(from), plot.left).toFixed(1)} ${y(score).toFixed(2)}H${end.toFixed(1)}`;
    drawn = end;
  }
  const line = `M${plot.left} ${floor}L${plot.right} ${ceiling}`;
  return [
    draw("path", { class: treads.length ? "exact" : "treads", d: line }),
    draw("path", { class: "treads", d }),
  ];
}

/** Where saturation begins, and the logits that share the score that is taken apart. */
function edges({ payload, oneFrom, span }, { path, plot, low, high, x }) {
  const parts = [];
  if (span) {
    const [left, right] = span.map((logit) => clamp(x(logit), plot.left, plot.right));
    parts.push(
      draw("rect", {
        class: "span",
        x: left - 1,
        y: plot.top,
        width: right - left + 2,
        height: plot.bottom - plot.top,
      }),
    );
  }
  if (oneFrom > low && oneFrom < high) {
    const at = x(oneFrom);
    const isRight = at > plot.right - 160;
    const text = `exactly 1.0 from ${payload.formats[path[FORWARD]].digits(oneFrom)}`;
    parts.push(
      draw("path", { class: "edge", d: `M${at.toFixed(1)} ${plot.top}V${plot.bottom}` }),
      tick(text, at + (isRight ? -6 : 6), plot.bottom - 8, isRight ? "end" : "start", "edgename"),
    );
  }
  return parts;
}

/** A band along each tread that passages share, with their number. */
function ties({ now }, { plot, logits, x, y, isRaw }) {
  const parts = [];
  const names = [];
  for (const [from, to, score] of now.groups.length > MOST_GLIDING ? [] : now.groups) {
    const places = Array.from(now.rows.subarray(from, to), (row) => x(logits[row])).filter(
      (at) => at >= plot.left && at <= plot.right,
    );
    if (to - from < 2 || !places.length) continue;
    const [left, right] = extent(places);
    const at = y(score);
    const middle = clamp((left + right) / 2, plot.left + 22, plot.right - 22);
    const name = [middle, at + (score === 1 && !isRaw ? 28 : -12)];
    parts.push(
      draw("path", {
        class: "tieband",
        d: `M${left.toFixed(1)} ${at.toFixed(1)}H${(right + 0.01).toFixed(2)}`,
      }),
    );
    if (
      names.some(
        ([other, level]) => Math.abs(other - middle) < 50 && Math.abs(level - name[1]) < 14,
      )
    )
      continue;
    names.push(name);
    parts.push(tick(`${count(to - from)} tied`, ...name, "middle", "tiename"));
  }
  return parts;
}

function pointsOf({ now }, { logits, x, y, plot }) {
  const points = Array.from(now.rows, (row) => [x(logits[row]), y(now.scores[row]), row]);
  return points.filter(([at]) => at >= plot.left - 1 && at <= plot.right + 1);
}

function dots({ now, inspected }, points) {
  const isTied = ([, , row]) => now.groupOf(row)[1] > 1;
  const chosen = points.find(([, , row]) => row === inspected);
  const alone = dotted(points.filter((point) => !isTied(point)));
  const tied = dotted(points.filter(isTied));
  const marks = Object.entries({ halo: alone + tied, alone, tied }).map(([kind, d]) =>
    draw("path", { class: `dots ${kind}`, d }),
  );
  return chosen
    ? [...marks, draw("circle", { class: "chosen", cx: chosen[0], cy: chosen[1], r: 7.5 })]
    : marks;
}

/** A path of dots, to half a pixel; those on one place are drawn once. */
function dotted(points) {
  const places = new Set(points.map(([x, y]) => Math.round(2 * x) * 4096 + Math.round(2 * y)));
  return Array.from(places, (n) => `M${Math.floor(n / 4096) / 2} ${(n % 4096) / 2}h0`).join("");
}

function captionOf({ isRaw, path }, treads) {
  if (isRaw && !treads.length)
    return "Without a sigmoid the score is the logit: there are no steps.";
  const many = treads.length
    ? `${counted(treads.length, "score")} in sight, a tread each.`
    : `${path[STORED]} has too many scores here to see treads.`;
  return `${many} ${isRaw ? "Logits" : "An exact sigmoid is the straight line; logits"} on one tread get one score.`;
}
