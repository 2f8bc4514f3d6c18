// How people pass event ids and keys around: `note1…`, `nevent1…`, `npub1…` and `nsec1…` (NIP-19),
// bech32 of BIP-173 without its limit of 90 characters. Pure.

const ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATORS = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
/** NIP-19: "bech32-formatted strings SHOULD be limited to 5000 characters". */
const LENGTH_MAX = 5000;
const CHECKSUM_LENGTH = 6;
const ID_BYTES = 32;
const KEY_BYTES = 32;
/** In a nevent's list of (type, length, value). */
const TLV_ID = 0;

/** The event's id in hex, or null when the text names no event. */
export function decodeEventReference(text: string): string | null {
  const decoded = decodeBech32(text);
  if (decoded === null) return null;
  const { prefix, bytes } = decoded;
  if (prefix === "note") return bytes.length === ID_BYTES ? bytes.toString("hex") : null;
  return prefix === "nevent" ? findId(bytes) : null;
}

export type KeyPrefix = "npub" | "nsec";

/** The key's 64 hex digits, or null when the text is no such key. */
export function decodeKey(prefix: KeyPrefix, text: string): string | null {
  const decoded = decodeBech32(text);
  if (decoded?.prefix !== prefix || decoded.bytes.length !== KEY_BYTES) return null;
  return decoded.bytes.toString("hex");
}

/** Of 64 hex digits. */
export function encodeKey(prefix: KeyPrefix, hex: string): string {
  const digits: number[] = [];
  let bits = 0;
  let value = 0;
  for (const byte of Buffer.from(hex, "hex")) {
    value = ((value << 8) | byte) & 0xfff;
    bits += 8;
    for (; bits >= 5; bits -= 5) digits.push((value >> (bits - 5)) & 31);
  }
  if (bits > 0) digits.push((value << (5 - bits)) & 31);
  const sum = checksum(prefix, [...digits, ...Array<number>(CHECKSUM_LENGTH).fill(0)]) ^ 1;
  for (let i = 1; i <= CHECKSUM_LENGTH; i++)
    digits.push((sum >>> (5 * (CHECKSUM_LENGTH - i))) & 31);
  return `${prefix}1${digits.map((digit) => ALPHABET[digit]).join("")}`;
}

function findId(bytes: Buffer): string | null {
  for (let at = 0; at + 2 <= bytes.length;) {
    const [type, length] = [bytes[at] as number, bytes[at + 1] as number];
    const value = bytes.subarray(at + 2, at + 2 + length);
    if (value.length < length) return null;
    if (type === TLV_ID) return length === ID_BYTES ? value.toString("hex") : null;
    at += 2 + length;
  }
  return null;
}

/** BIP-173: all in one case, a checksum, and no more padding than needed, all of it zero. */
function decodeBech32(text: string): { prefix: string; bytes: Buffer } | null {
  const lower = text.toLowerCase();
  if (text.length > LENGTH_MAX || (text !== lower && text !== text.toUpperCase())) return null;
  const end = lower.lastIndexOf("1");
  const prefix = lower.slice(0, Math.max(0, end));
  const digits = [...lower.slice(end + 1)].map((char) => ALPHABET.indexOf(char));
  if (prefix === "" || digits.includes(-1) || digits.length < CHECKSUM_LENGTH) return null;
  if (checksum(prefix, digits) !== 1) return null;
  const bytes: number[] = [];
  let bits = 0;
  let value = 0;
  for (const digit of digits.slice(0, -CHECKSUM_LENGTH)) {
    value = ((value << 5) | digit) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((value >> bits) & 0xff);
  }
  const isPadded = bits < 5 && (value & ((1 << bits) - 1)) === 0;
  return isPadded ? { prefix, bytes: Buffer.from(bytes) } : null;
}

function checksum(prefix: string, digits: readonly number[]): number {
  const codes = [...prefix].map((char) => char.charCodeAt(0));
  let sum = 1;
  for (const digit of [...codes.map((c) => c >> 5), 0, ...codes.map((c) => c & 31), ...digits]) {
    const top = sum >>> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ digit;
    for (let i = 0; i < GENERATORS.length; i++) if ((top >> i) & 1) sum ^= GENERATORS[i] as number;
  }
  return sum;
}
