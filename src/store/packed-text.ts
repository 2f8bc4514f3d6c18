// An event's JSON text in less room: its hex as bytes, and without its id, which has a column of
// its own, and what all events have in common. Of a text of 890 bytes some 490 are left, at 0.4 µs
// to get it back; compressing would leave as much, at ten times that. Only texts as `encodeEvent`
// writes them can be packed; each comes back byte for byte.
//
//   pubkey  32 bytes | sig  64 | length of the text | created_at | kind | runs
//
// The three numbers are varints, seven bits a byte, the lowest first. The runs are what stands
// between `"tags":` and `,"sig":`, each a byte of control (its lowest five bits are a length, the
// others say what follows), so many bytes as they are, and what follows: 64 digits of hex, as 32
// bytes, mostly after the start of a tag that isn't there, or the start of the content, or nothing.
// A length of 30 stands for one in the next two bytes, of 31 for one in the next four, both
// little-endian.
//
// What has an `h` tag shows it here as well: SQL looks for `["h",` (sum-tables.ts).

/** Of an id or a key, and of its digits. */
export const HEX_BYTES = 32;
export const HEX_LENGTH = 64;
export const SIG_BYTES = 64;
export const PACKED_PUBKEY_AT = 0;
export const SIG_AT = 32;
/** What comes before the numbers. */
export const HEAD_BYTES = 96;

// Of a control byte.
export const LENGTH_BITS = 5;
export const LENGTH_MASK = 31;
export const SHORT_MAX = 29;
export const LENGTH_16 = 30;
export const LENGTH_32 = 31;

export function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "latin1"));
}

// The text around what differs between events, and where that is.
export const START = bytesOf('{"id":"');
export const AFTER_ID = bytesOf('","pubkey":"');
export const AFTER_PUBKEY = bytesOf('","created_at":');
export const BEFORE_KIND = bytesOf(',"kind":');
export const BEFORE_TAGS = bytesOf(',"tags":');
export const BEFORE_SIG = bytesOf(',"sig":"');
export const END = bytesOf('"}');
export const TEXT_ID_AT = START.length;
export const TEXT_PUBKEY_AT = TEXT_ID_AT + HEX_LENGTH + AFTER_ID.length;
export const TEXT_TIME_AT = TEXT_PUBKEY_AT + HEX_LENGTH + AFTER_PUBKEY.length;
export const TEXT_SIG_LENGTH = BEFORE_SIG.length + 2 * HEX_LENGTH + END.length;

export const CONTENT = '],"content":"';

/** What follows a run's bytes, by the upper bits of its control. */
export const FOLLOWERS = ["", '["e","', '["p","', '"],["e","', '"],["p","', "", CONTENT].map(
  bytesOf,
);
export const HEX_ALONE = 0;
export const E_TAG = 1;
export const P_TAG = 2;
/** Is added when another tag ends before it. */
export const NEXT_TAG = 2;
/** From here on, no hex comes after it. */
export const NOTHING = 5;
export const CONTENT_STARTS = 6;

/** Shorter runs are copied faster byte by byte. */
export const COPY_MIN = 24;
export const DIGIT_0 = 0x30;
