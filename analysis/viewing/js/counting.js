// What a path does to a query, and to all: the columns of `analysis.effects`, by their names.

const COUNTS = [
  "candidates",
  "ones",
  "zeros",
  "tied",
  "tied_in_top",
  "moved",
  "first_shared",
  "first_lost",
  "reordered",
];
const MEASURES = ["ndcg", "ndcg_min", "ndcg_max"];

/** Counts of one query against another order of it, and nDCG@k under its ties. */
function countQuery(order, other, grades, k) {
  const counts = Object.fromEntries(COUNTS.map((name) => [name, 0]));
  counts.candidates = order.count;
  for (let row = 0; row < order.count; row++) {
    const [from, size] = order.groupOf(row);
    const [otherFrom, otherSize] = other.groupOf(row);
    if (order.scores[row] === 1) counts.ones++;
    if (order.scores[row] === 0) counts.zeros++;
    if (size > 1) counts.tied++;
    if (size > 1 && from < k) counts.tied_in_top++;
    if (order.rank[row] !== other.rank[row]) counts.moved++;
    if (from === 0 && otherFrom > 0) counts.first_lost = 1;
    if ((from < k || otherFrom < k) && (from !== otherFrom || size !== otherSize))
      counts.reordered = 1;
  }
  counts.firstSize = order.groups[0][1]; // how many share the first place
  counts.first_shared = Number(counts.firstSize > 1);
  return Object.assign(counts, ndcg(order, grades, k));
}

/** Sums of the counts and means of the measures over all queries. */
function countAll(counted) {
  const sum = (name) => counted.reduce((total, counts) => total + counts[name], 0);
  const all = Object.fromEntries(COUNTS.map((name) => [name, sum(name)]));
  for (const name of MEASURES)
    all[name] = counted.some((counts) => counts[name] === null) ? null : sum(name) / counted.length;
  return { ...all, queries: counted.length };
}

/** nDCG@k with linear gains over all orders of the ties: expected, least and most. Null where a grade is missing. */
function ndcg(order, grades, k) {
  if (grades.includes(null)) return { ndcg: null, ndcg_min: null, ndcg_max: null };
  const discount = (place) => 1 / Math.log2(place + 2);
  const ideal = sumOfGains(gainsOf(grades, grades.keys()), 0, k, discount);
  if (ideal === 0) return { ndcg: 0, ndcg_min: 0, ndcg_max: 0 };
  let expected = 0;
  let least = 0;
  let most = 0;
  for (const [from, to] of order.groups) {
    if (from >= k) break;
    const gains = gainsOf(grades, order.rows.subarray(from, to));
    let discounts = 0;
    for (let place = from; place < Math.min(to, k); place++) discounts += discount(place);
    expected +=
      (gains.reduce((sum, [gain, many]) => sum + gain * many, 0) / (to - from)) * discounts;
    most += sumOfGains(gains, from, k, discount);
    least += sumOfGains(gains.reverse(), from, k, discount);
  }
  // The mean lies between the ends; rounding must not push it out.
  return {
    ndcg: Math.min(Math.max(expected, least), most) / ideal,
    ndcg_min: least / ideal,
    ndcg_max: most / ideal,
  };
}

/** Gains of rows, falling, each with how many have it. */
function gainsOf(grades, rows) {
  const many = new Map();
  for (const row of rows) {
    const gain = Math.max(grades[row], 0);
    many.set(gain, (many.get(gain) ?? 0) + 1);
  }
  return [...many].sort(([a], [b]) => b - a);
}

/** Discounted gains of passages that stand in the order given, from a place on, within the first k. */
function sumOfGains(gains, place, k, discount) {
  let sum = 0;
  for (const [gain, many] of gains)
    for (const end = Math.min(place + many, k); place < end; place++) sum += gain * discount(place);
  return sum;
}
