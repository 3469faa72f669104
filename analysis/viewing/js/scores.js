// Scores of every path. No sigmoid is evaluated: Python's are looked up, and rounded once to the stored dtype.

const MOST_CACHED = 1_000_000; // rows whose scores and orders are kept

class Scores {
  constructor(payload) {
    this.payload = payload;
    this.staircases = new Map();
    this.cache = new Map();
    this.cached = 0;
  }

  /** A path without what changes no score: as `ScorePath.reduced`. */
  reduced(path) {
    const { formats } = this.payload;
    const last = hasSigmoid(path) ? path[ACTIVATION] : dtypeOf(formats[path[FORWARD]]);
    const idle = formats[path[STORED]].holds(formats[last]);
    return [path[FORWARD], path[FORMULA], last, idle ? last : path[STORED]];
  }

  key(path) {
    return this.reduced(path).join("|");
  }

  /** Whether a path, from wherever it comes, can be shown. */
  has(path) {
    const { formats, tieRules, checksums } = this.payload;
    const isKnown = (stage) => Object.hasOwn(formats, path[stage]);
    return (
      [FORWARD, ACTIVATION, STORED].every(isKnown) &&
      tieRules.includes(path[TIES]) &&
      Object.hasOwn(checksums, this.key(path))
    );
  }

  /** Format that a path's scores fit in, however wide they are stored: it decides which digits are real. */
  format(path) {
    return this.payload.formats[this.reduced(path)[STORED]];
  }

  /** Python's scores of the rows, before they are stored, where a wide sigmoid is evaluated; else undefined. */
  wide(path) {
    return this.payload.array("scores", ...path.slice(0, STORED));
  }

  /** Whether the score of any logit is known here, not only of the set's own. */
  isEverywhere(path) {
    return !this.wide(path);
  }

  /** A 16-bit sigmoid: the first logit of each step, and its score. */
  staircase(path) {
    const name = [path[FORMULA], path[ACTIVATION]];
    const key = name.join("|");
    const format = this.payload.formats[path[ACTIVATION]];
    if (!this.staircases.has(key)) {
      const [logits, scores] = ["stepLogits", "stepScores"].map((kind) => {
        let ordinal = 0;
        return Float64Array.from(this.payload.array(kind, ...name), (step) =>
          format.value(BigInt((ordinal += step))),
        );
      });
      this.staircases.set(key, { format, logits, scores });
    }
    return this.staircases.get(key);
  }

  /** What the sigmoid makes of any logit, before it is stored: a function, where that is known everywhere. */
  activation(path) {
    if (!hasSigmoid(path)) return (logit) => logit;
    const { format, logits, scores } = this.staircase(path);
    return (logit) => {
      const x = format.round(logit);
      return x < logits[0] ? 0 : scores[lastAtMost(logits, x)]; // below the first is minus infinity
    };
  }

  /** The score of any logit: a function, where the path is known everywhere. */
  scorer(path) {
    const activation = this.activation(path);
    const stored = this.payload.formats[path[STORED]];
    return (logit) => stored.round(activation(logit));
  }

  /** Scores of the rows from one on, up to another. */
  of(path, from, to) {
    const wide = this.wide(path);
    if (!wide)
      return Float64Array.from(this.payload.logits(path).subarray(from, to), this.scorer(path));
    const stored = this.payload.formats[path[STORED]];
    return Float64Array.from(wide.subarray(from, to), (score) => stored.round(score));
  }

  /** Scores of all rows. */
  all(path) {
    const { size } = this.payload;
    return this.kept(this.key(path), size, () => this.of(path, 0, size));
  }

  /** What was computed under a key, or is now; `size` counts its rows. */
  kept(key, size, compute) {
    if (!this.cache.has(key)) {
      if (this.cached > MOST_CACHED) {
        this.cache.clear();
        this.cached = 0;
      }
      this.cached += size;
      this.cache.set(key, compute());
    }
    return this.cache.get(key);
  }

  /** Whether the scores here are Python's, bit for bit. */
  isProven(path) {
    return this.payload.checksums[this.key(path)] === crc32(new Uint8Array(this.all(path).buffer));
  }

  /** First and last logit of the forward dtype that share a row's score; undefined where it is not known here. */
  span(path, row) {
    const forward = this.payload.formats[path[FORWARD]];
    const [score] = this.of(path, row, row + 1);
    if (!this.isEverywhere(path)) return this.sentSpan(path, score, forward);
    const own = forward.ordinal(this.payload.logits(path)[row]);
    const most = forward.ordinal(forward.max);
    const scoreOf = this.scorer(path);
    const isScore = (n) => scoreOf(forward.value(n)) === score;
    return [-1n, 1n].map((sign) => forward.value(farthest(own, sign, most, isScore)));
  }

  sentSpan(path, score, forward) {
    const sent = this.sent("span", path, score);
    if (!sent) return undefined;
    const all = this.all(path);
    const sharing = this.payload.logits(path).filter((_, row) => all[row] === score);
    const own = forward.ordinal(sharing.reduce((lowest, x) => Math.min(lowest, x)));
    return [own - sent[0], own + sent[1]].map((n) => forward.value(n));
  }

  /** The two whole numbers that were sent for a score of a wide sigmoid. */
  sent(kind, path, score) {
    const numbers = this.payload.array(kind, this.key(path));
    const half = numbers?.length / 2;
    const at = numbers && lastAtMost(Float64Array.from(new Set(this.all(path))).sort(), score);
    return numbers && [at, half + at].map((n) => BigInt(numbers[n]));
  }

  /** The next scores below and above a row's that the path can return, null for none; undefined where it is not known here. */
  neighbours(path, row) {
    if (this.isEverywhere(path)) {
      const forward = this.payload.formats[path[FORWARD]];
      const scoreOf = this.scorer(path);
      const [first, last] = this.span(path, row);
      const beside = (logit, steps) =>
        Math.abs(logit) === forward.max ? null : scoreOf(forward.next(logit, steps));
      return [beside(first, -1), beside(last, 1)];
    }
    const format = this.format(path);
    const [score] = this.of(path, row, row + 1);
    return this.sent("neighbours", path, score)?.map((steps, n) =>
      steps ? format.next(score, n ? steps : -steps) : null,
    );
  }
}

/** Index of the last element of an ascending array that is at most x. */
function lastAtMost(ascending, x) {
  let low = 0;
  let high = ascending.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (ascending[middle] <= x) low = middle;
    else high = middle;
  }
  return low;
}

/** Farthest ordinal on one side up to which a condition that holds at `own` keeps holding; at most `most` from zero. */
function farthest(own, sign, most, holds) {
  let inside = 0n;
  let outside = most - sign * own + 1n; // distances
  while (outside - inside > 1n) {
    const middle = (inside + outside) >> 1n;
    if (holds(own + sign * middle)) inside = middle;
    else outside = middle;
  }
  return own + sign * inside;
}
