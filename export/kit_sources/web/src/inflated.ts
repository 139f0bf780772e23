/**
 * How many bytes a zlib stream stands for (RFC 1950 and 1951), and which. Those of pixels are not kept: nothing but their number is
 * needed. What browsers have of zlib is asynchronous.
 */

class Ended extends Error {}
class Damaged extends Error {}

/** Number of codes of each length, and the symbols in the order of their codes. */
interface Codes {
  counts: number[];
  symbols: number[];
}

const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const FIXED_LITERALS = codesOf(Array.from({ length: 288 }, (_, symbol) => (symbol <= 143 ? 8 : symbol <= 255 ? 9 : symbol <= 279 ? 7 : 8)));
const FIXED_DISTANCES = codesOf(Array.from({ length: 1 << 5 }, () => 5));

/** Refuses more codes than there can be, or fewer, unless there is one alone. */
function codesOf(lengths: number[]): Codes {
  const counts = Array.from({ length: 16 }, (_, length) => lengths.filter((own) => own === length).length);
  const left = counts.slice(1).reduce((sum, count) => (sum < 0 ? sum : 2 * sum - count), 1);
  if (left < 0 || (left > 0 && counts[0]! + counts[1]! < lengths.length)) throw new Damaged();
  const symbols = [...lengths.keys()].filter((symbol) => lengths[symbol]! > 0);
  return { counts, symbols: symbols.sort((one, other) => lengths[one]! - lengths[other]! || one - other) };
}

/** The number, or the limit if there are more; -1 if the stream is damaged before that. */
export function inflatedLength(data: Uint8Array, limit: number): number {
  return countOf(new Stream(data, limit), limit);
}

/** The bytes, at most so many; none if the stream is damaged. */
export function inflated(data: Uint8Array, limit: number): Uint8Array {
  const kept = new Uint8Array(limit);
  return kept.subarray(0, Math.max(0, countOf(new Stream(data, limit, kept), limit)));
}

function countOf(stream: Stream, limit: number): number {
  try {
    stream.readBlocks();
  } catch (error) {
    if (error instanceof Damaged) return -1;
    if (!(error instanceof Ended)) throw error;
  }
  return Math.min(limit, stream.count);
}

class Stream {
  count = 0;
  private position = 0;

  constructor(private readonly data: Uint8Array, private readonly limit: number, private readonly kept?: Uint8Array) {}

  readBlocks(): void {
    const method = this.bits(8);
    const flags = this.bits(8);
    if ((method & 15) !== 8 || method >> 4 > 7 || (method * 256 + flags) % 31 || (flags >> 5) & 1) throw new Damaged();
    for (let last = false; !last && this.count < this.limit; ) {
      last = this.bits(1) === 1;
      const kind = this.bits(2);
      if (kind === 0) this.readStored();
      else if (kind === 1) this.readCoded(FIXED_LITERALS, FIXED_DISTANCES);
      else if (kind === 2) this.readOwnCodes();
      else throw new Damaged();
    }
  }

  private readStored(): void {
    this.position = Math.ceil(this.position / 8) * 8;
    const length = this.bits(16);
    if (this.bits(16) !== (length ^ 0xffff)) throw new Damaged();
    const there = Math.min(length, this.data.length - this.position / 8);
    const begin = this.position / 8;
    this.kept?.set(this.data.subarray(begin, begin + Math.min(there, this.limit - this.count)), this.count);
    this.count += there;
    this.position += 8 * there;
  }

  private readOwnCodes(): void {
    const literals = this.bits(5) + 257;
    const distances = this.bits(5) + 1;
    const given = this.bits(4) + 4;
    if (literals > 286 || distances > 30) throw new Damaged();
    const short = ORDER.map(() => 0);
    for (const symbol of ORDER.slice(0, given)) short[symbol] = this.bits(3);
    const codes = codesOf(short);
    const lengths: number[] = [];
    while (lengths.length < literals + distances) {
      const symbol = this.read(codes);
      const [value, times] =
        symbol === 16 ? [lengths.at(-1), 3 + this.bits(2)]
        : symbol === 17 ? [0, 3 + this.bits(3)]
        : symbol === 18 ? [0, 11 + this.bits(7)]
        : [symbol, 1];
      if (value === undefined) throw new Damaged();
      for (let i = 0; i < times; i++) lengths.push(value);
    }
    if (lengths.length > literals + distances || !lengths[256]) throw new Damaged();
    this.readCoded(codesOf(lengths.slice(0, literals)), codesOf(lengths.slice(literals)));
  }

  private readCoded(literals: Codes, distances: Codes): void {
    while (this.count < this.limit) {
      const symbol = this.read(literals);
      if (symbol === 256) return;
      if (symbol < 256) {
        if (this.kept) this.kept[this.count] = symbol;
        this.count++;
        continue;
      }
      const length = this.readLength(symbol - 257);
      const distance = this.readDistance(this.read(distances));
      if (distance > this.count) throw new Damaged();
      // One by one: a copy may reach into itself.
      for (let i = this.count; this.kept && i < this.count + length; i++) this.kept[i] = this.kept[i - distance]!;
      this.count += length;
    }
  }

  private readLength(code: number): number {
    if (code < 8) return 3 + code;
    if (code === 28) return 258;
    if (code > 28) throw new Damaged();
    const extra = (code >> 2) - 1;
    return 3 + ((4 + (code & 3)) << extra) + this.bits(extra);
  }

  private readDistance(code: number): number {
    if (code < 2) return 1 + code;
    if (code >= 30) throw new Damaged();
    const extra = (code >> 1) - 1;
    return 1 + ((2 + (code & 1)) << extra) + this.bits(extra);
  }

  private read({ counts, symbols }: Codes): number {
    let code = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length <= 15; length++) {
      code = code * 2 + this.bits(1);
      first *= 2;
      const here = counts[length]!;
      if (code < first + here) return symbols[index + code - first]!;
      index += here;
      first += here;
    }
    throw new Damaged();
  }

  /** A number of so many bits, the lowest one first. */
  private bits(number: number): number {
    if (this.position + number > 8 * this.data.length) throw new Ended();
    let value = 0;
    for (let i = 0; i < number; i++, this.position++) value |= ((this.data[this.position >>> 3]! >> (this.position & 7)) & 1) << i;
    return value;
  }
}
