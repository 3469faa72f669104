// The order of one query's candidates under a tie rule: as `analysis.ties.apply`.

class Order {
  /** `scores` and `idOrder` of the query's rows alone; rows are counted from 0 within the query. */
  constructor(scores, idOrder, rule) {
    const count = scores.length;
    const before =
      {
        "reversed input order": (a, b) => b - a,
        "docid ascending": (a, b) => idOrder[a] - idOrder[b],
        "docid descending": (a, b) => idOrder[b] - idOrder[a],
      }[rule] ?? ((a, b) => a - b);
    this.scores = scores;
    this.count = count;
    this.rows = Uint32Array.from(scores.keys()).sort(
      (a, b) => scores[b] - scores[a] || before(a, b),
    );
    this.place = new Uint32Array(count); // of each row, from 0
    this.rank = new Float64Array(count);
    this.group = new Uint32Array(count);
    this.groups = []; // [first place, place behind the last, score], best first
    for (let from = 0, to = 0; from < count; from = to) {
      const score = scores[this.rows[from]];
      while (to < count && scores[this.rows[to]] === score) to++;
      for (let place = from; place < to; place++) {
        const row = this.rows[place];
        this.place[row] = place;
        this.rank[row] = rule === "expected" ? (from + 1 + to) / 2 : place + 1;
        this.group[row] = this.groups.length;
      }
      this.groups.push([from, to, score]);
    }
  }

  /** First place and size of the tie group that a row is in. */
  groupOf(row) {
    const [from, to] = this.groups[this.group[row]];
    return [from, to - from];
  }
}

/** Order of a query under a path; the tie rule may be another's. */
function orderOf(scores, path, query, rule = path[TIES]) {
  const { starts, arrays } = scores.payload;
  const from = starts[query];
  const to = from + arrays.candidates[query];
  return scores.kept(
    `${scores.key(path)}|${rule}|${query}`,
    to - from,
    () => new Order(scores.of(path, from, to), arrays.idOrder.subarray(from, to), rule),
  );
}
