// npub and nsec (NIP-19): how people write public and secret keys. Only these two, which carry 32
// bytes and nothing else. Pure; knows no thread.

const ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
const CHECKSUM_LENGTH = 6;
/** Of 32 bytes: 51.2 digits of five bits. */
const DATA_LENGTH = 52;

export type KeyPrefix = "npub" | "nsec";

/** 64 hex digits as npub or nsec. */
export function encodeKey(prefix: KeyPrefix, hex: string): string {
  const bits = `${BigInt(`0x${hex}`).toString(2).padStart(256, "0")}0000`;
  const data: number[] = [];
  for (let at = 0; at < bits.length; at += 5) data.push(Number.parseInt(bits.slice(at, at + 5), 2));
  const sum = checksum([...expand(prefix), ...data, ...Array(CHECKSUM_LENGTH).fill(0)]) ^ 1;
  for (let i = 0; i < CHECKSUM_LENGTH; i++) data.push((sum >>> (5 * (5 - i))) & 31);
  return `${prefix}1${data.map((digit) => ALPHABET[digit]).join("")}`;
}

/** The 64 hex digits, or null when the text is no such key or mistyped. */
export function decodeKey(prefix: KeyPrefix, text: string): string | null {
  const lower = text.toLowerCase();
  if (text !== lower && text !== text.toUpperCase()) return null; // BIP-173: one case
  if (!lower.startsWith(`${prefix}1`)) return null;
  const data = [...lower.slice(prefix.length + 1)].map((digit) => ALPHABET.indexOf(digit));
  if (data.length !== DATA_LENGTH + CHECKSUM_LENGTH || data.includes(-1)) return null;
  if (checksum([...expand(prefix), ...data]) !== 1) return null;
  const bits = data.slice(0, DATA_LENGTH).map((digit) => digit.toString(2).padStart(5, "0"));
  const whole = bits.join("");
  if (whole.slice(256) !== "0000") return null;
  return BigInt(`0b${whole.slice(0, 256)}`)
    .toString(16)
    .padStart(64, "0");
}

/** BIP-173. */
function checksum(digits: readonly number[]): number {
  let sum = 1;
  for (const digit of digits) {
    const top = sum >>> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ digit;
    for (let i = 0; i < 5; i++) if (((top >>> i) & 1) === 1) sum ^= GENERATOR[i] as number;
  }
  return sum;
}

function expand(prefix: string): number[] {
  const codes = [...prefix].map((letter) => letter.charCodeAt(0));
  return [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31)];
}
