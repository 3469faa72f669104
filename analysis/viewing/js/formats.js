// Number formats: rounding to their values, neighbours, bits and digits. Python sends their limits.

const SCRATCH = new DataView(new ArrayBuffer(8));
const WHOLE = 1.5 * 2 ** 52; // added and taken off again, it rounds to a whole number, ties to even

/** The e with |x| in [2^e, 2^(e+1)); -1023 for zero and for subnormal doubles. */
function exponentOf(x) {
  SCRATCH.setFloat64(0, x);
  return ((SCRATCH.getUint16(0) >> 4) & 0x7ff) - 1023;
}

/** A floating-point format: `analysis.formats.Format`, as far as a view asks it. */
class Format {
  constructor(limits) {
    Object.assign(this, limits); // name, bits, precision, lowest (exponent), max, mark; of a forward format dtype and hint as well
    this.half = 2n ** BigInt(this.precision - 1);
    this.exponentBits = this.bits - this.precision;
  }

  /** Distance of a value to the next one away from zero. */
  spacing(x) {
    return 2 ** (Math.max(exponentOf(x), this.lowest) - this.precision + 1);
  }

  /** The next value above, of a 16-bit format: as `next`, without whole numbers that take longer. */
  above(x) {
    return this.round(x + 0.6 * this.spacing(x)); // 0.6: below a power of two they lie half as far apart
  }

  /** Nearest value of the format, ties to even, in one rounding. */
  round(x) {
    if (this.bits === 64 || x === 0 || !Number.isFinite(x)) return x;
    if (this.bits === 32) return Math.fround(x);
    const spacing = this.spacing(x);
    const nearest = (x / spacing + WHOLE - WHOLE) * spacing;
    if (nearest === 0) return Math.sign(x) * 0;
    return Math.abs(nearest) > this.max ? Math.sign(x) * Infinity : nearest;
  }

  /** Whether every finite value of another format is one of this. */
  holds(other) {
    const smallest = (f) => f.lowest - f.precision;
    return (
      this.precision >= other.precision &&
      smallest(this) <= smallest(other) &&
      this.max >= other.max
    );
  }

  /** Position of a value among the format's: 0n for zero, 1n for the next above. */
  ordinal(x) {
    const size = Math.abs(x);
    if (size > this.max) return (this.ordinal(this.max) + 1n) * (x < 0 ? -1n : 1n);
    const binade = Math.max(exponentOf(size), this.lowest) - this.lowest;
    const n = BigInt(binade) * this.half + BigInt(size / this.spacing(size));
    return x < 0 ? -n : n;
  }

  /** Inverse of `ordinal`. */
  value(n) {
    const size = n < 0n ? -n : n;
    const binade = size < this.half ? 0n : size / this.half - 1n;
    const x =
      Number(size - binade * this.half) * 2 ** (Number(binade) + this.lowest - this.precision + 1);
    return (x > this.max ? Infinity : x) * (n < 0n ? -1 : 1);
  }

  /** The value so many steps above; below, if negative. */
  next(x, steps = 1) {
    return this.value(this.ordinal(x) + BigInt(steps));
  }

  /** Sign, exponent and fraction of a value, in binary. */
  bitsOf(x) {
    const sign = x < 0 || Object.is(x, -0) ? "1" : "0";
    const size = this.ordinal(Math.abs(x))
      .toString(2)
      .padStart(this.bits - 1, "0");
    return [sign, size.slice(0, this.exponentBits), size.slice(this.exponentBits)];
  }

  /** Fewest digits that name a value among the format's. */
  digits(x) {
    for (let n = 1; n < 17; n++) {
      const text = x.toPrecision(n);
      if (this.round(Number(text)) === x) return plain(Number(text));
    }
    return plain(x);
  }

  /** The same, as a score is written: 1.0 and not 1. */
  scoreText(x) {
    const text = this.digits(x);
    return /^−?\d+$/.test(text) ? `${text}.0` : text;
  }
}

/** The dtype of a forward format's logits; dtypes are called by their own names. */
const dtypeOf = (format) => format.dtype ?? format.name;

/** A number as readers write it: with a minus sign. */
function plain(x) {
  return String(x).replaceAll("-", "−");
}

/** The whole decimal expansion of a double: no digit is left out. */
function exactDecimal(x) {
  if (x === 0 || !Number.isFinite(x)) return plain(x);
  let power = Math.max(exponentOf(x), -1022) - 52;
  let whole = BigInt(Math.abs(x) / 2 ** power);
  for (; power < 0 && (whole & 1n) === 0n; power++) whole >>= 1n;
  const sign = x < 0 ? "−" : "";
  if (power >= 0) return sign + (whole << BigInt(power));
  const digits = (whole * 5n ** BigInt(-power)).toString().padStart(1 - power, "0");
  return `${sign}${digits.slice(0, power)}.${digits.slice(power)}`;
}
