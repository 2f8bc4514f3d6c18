// Integers of 0 to 2^64 - 1 as base-128 digits, the highest first, all but the last with the high
// bit set (NIP-77, appendix: "Varint"). Those beyond 2^53 - 1 are bigints. Pure.

/** 64 bits make at most so many digits of seven. */
const DIGITS_MAX = 10;
/** So many digits are certainly a safe integer. */
const DIGITS_SAFE = 7;
export const U64_MAX = 2n ** 64n - 1n;

export function encodeVarint(value: number | bigint): Uint8Array {
  const digits: number[] = [];
  let rest = value;
  do {
    const isLast = digits.length === 0;
    const digit = typeof rest === "number" ? rest % 128 : Number(rest % 128n);
    digits.push(isLast ? digit : digit + 128);
    rest = typeof rest === "number" ? Math.floor(rest / 128) : rest / 128n;
  } while (rest > 0);
  return Uint8Array.from(digits.reverse());
}

export type VarintFlaw =
  "a number is cut off" | "a number has leading zeros" | "a number is beyond 64 bits";

export type Varint = { readonly value: number | bigint; readonly end: number };

/** Reads from index `at`. "With as few digits as possible": zeros in front are a flaw. */
export function decodeVarint(bytes: Uint8Array, at: number): Varint | VarintFlaw {
  if (bytes[at] === 0x80) return "a number has leading zeros";
  let value: number | bigint = 0;
  for (let digits = 1; digits <= DIGITS_MAX; digits++) {
    const byte = bytes[at + digits - 1];
    if (byte === undefined) return "a number is cut off";
    const digit = byte & 0x7f;
    if (digits <= DIGITS_SAFE) value = (value as number) * 128 + digit;
    else value = BigInt(value) * 128n + BigInt(digit);
    if (byte >= 0x80) continue;
    if (value > U64_MAX) return "a number is beyond 64 bits";
    return { value: simplest(value), end: at + digits };
  }
  return "a number is beyond 64 bits";
}

/** A number when that is exact. */
export function simplest(value: number | bigint): number | bigint {
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : BigInt(value);
}
