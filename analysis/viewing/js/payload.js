// What Python sent: a header, and arrays. The layout is described in payload.py.

const ARRAYS = {
  f4: Float32Array,
  f8: Float64Array,
  i4: Int32Array,
  i8: BigInt64Array,
  u1: Uint8Array,
  u4: Uint32Array,
};

class Payload {
  constructor(bytes) {
    const block = bytes.byteOffset % 8 ? bytes.slice() : bytes; // typed arrays must not start anywhere
    const length = new DataView(block.buffer, block.byteOffset).getUint32(0, true);
    Object.assign(this, JSON.parse(new TextDecoder().decode(block.subarray(4, 4 + length))));
    const begin = block.byteOffset + 4 + length;
    const read = ([kind, place, count]) => new ARRAYS[kind](block.buffer, begin + place, count);
    this.arrays = Object.fromEntries(
      Object.entries(this.arrays).map(([name, where]) => [name, read(where)]),
    );
    this.formats = Object.fromEntries(
      this.formats.map((limits) => [limits.name, new Format(limits)]),
    );
    this.size = this.passages.length;
    let end = 0;
    this.starts = Array.from(this.arrays.candidates, (count) => (end += count) - count);
    this.mostGrade = this.grades.reduce((most, grade) => Math.max(most, grade ?? 0), 0);
  }

  array(...name) {
    return this.arrays[name.join("|")];
  }

  logits(path) {
    return this.array("logits", path[FORWARD]);
  }

  /** Text of a passage, decoded when it is asked for. */
  passageText(row) {
    const { textOf, textEnds, texts } = this.arrays;
    const n = textOf[row];
    return new TextDecoder().decode(texts.subarray(n ? textEnds[n - 1] : 0, textEnds[n]));
  }
}

/** CRC-32, as zlib computes it. */
function crc32(bytes) {
  crc32.table ??= Uint32Array.from({ length: 256 }, (_, n) => {
    for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
    return n;
  });
  let rest = -1;
  for (const byte of bytes) rest = crc32.table[(rest ^ byte) & 255] ^ (rest >>> 8);
  return ~rest >>> 0;
}
