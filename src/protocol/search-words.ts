// Text → the words it is searched by (NIP-50); the same for what is indexed, for what is asked for
// and for live events. Pure; knows no thread. A word has letters and digits only, folded: `Ｃafé`,
// `CAFE` and `café` are one.
//
// Text in scripts that don't put spaces between words (Chinese, Japanese, Thai…) and in Korean,
// where endings stick to words, is cut into overlapping pairs, and the last character of such a run
// follows by itself: 東京都 becomes 東京, 京都, 都. So whatever is asked for is a row of pairs that
// stand side by side, and a single character is the beginning of a word.

/** Longer ones are cut off, everywhere alike: no language has them, but addresses and keys are. */
export const WORD_LENGTH_MAX = 64;

/** Letters that Unicode doesn't take apart though readers do. */
const LOOKALIKES: Readonly<Record<string, string>> = {
  ß: "ss",
  ς: "σ",
  ø: "o",
  ł: "l",
  đ: "d",
  ı: "i",
  æ: "ae",
  œ: "oe",
};

/** Accents, the vowel points of Arabic and Hebrew, and what only stretches Arabic letters. */
const MARKS = /[\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670]/g;
const LOOKALIKE = /[ßςøłđıæœ]/g;
const ASCII = /^[\x00-\x7f]*$/;

/** Case, width, accents and ligatures are gone. Most of the time there is nothing to be done. */
export function foldText(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  return text
    .normalize("NFKD")
    .toLowerCase()
    .replace(MARKS, "")
    .replace(LOOKALIKE, (letter) => LOOKALIKES[letter] as string)
    .normalize("NFKC"); // vowels of other scripts, and syllables, belong to their letters again
}

const SCRIPTS = ["Han", "Hira", "Kana", "Hang", "Thai", "Laoo", "Khmr", "Mymr"];
const LETTER = String.raw`[\p{L}\p{N}\p{M}]`;
const UNSPACED = `[${LETTER}&&[${SCRIPTS.map((script) => `\\p{scx=${script}}`).join("")}]]`;
/** A run of an unspaced script; a word; a picture, which is a word by itself. */
const PIECE = new RegExp(
  String.raw`(${UNSPACED}+)|[${LETTER}--${UNSPACED}]+|\p{ExtPict}|\p{RI}`,
  "gv",
);
const ASCII_WORD = /[a-z0-9]+/g;

/** A stretch of text between two things that aren't letters. */
export interface Piece {
  /** Folded. */
  readonly text: string;
  /** Cut into pairs when it is indexed. */
  readonly isUnspaced: boolean;
}

export function splitPieces(text: string): Piece[] {
  const folded = foldText(text);
  if (ASCII.test(folded)) {
    const words = folded.match(ASCII_WORD) ?? [];
    return words.map((word) => ({ text: cut(word), isUnspaced: false }));
  }
  const pieces: Piece[] = [];
  for (const match of folded.matchAll(PIECE)) {
    const isUnspaced = match[1] !== undefined;
    pieces.push({ text: isUnspaced ? match[0] : cut(match[0]), isUnspaced });
  }
  return pieces;
}

function cut(word: string): string {
  if (word.length <= WORD_LENGTH_MAX) return word;
  const start = word.slice(0, WORD_LENGTH_MAX);
  return start.isWellFormed() ? start : start.slice(0, -1);
}

/** Adds the words of `text` to `words`, until there are `countMax` of them. */
export function addWords(text: string, words: string[], countMax: number): void {
  for (const piece of splitPieces(text)) {
    if (words.length >= countMax) break;
    if (!piece.isUnspaced) words.push(piece.text);
    else for (const word of pairsOf(piece.text)) words.push(word);
  }
  if (words.length > countMax) words.length = countMax;
}

/** 東京都 → 東京, 京都, 都. */
export function pairsOf(run: string): string[] {
  const characters = [...run];
  return characters.map((character, i) => character + (characters[i + 1] ?? ""));
}
