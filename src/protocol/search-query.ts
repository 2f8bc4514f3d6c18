// The `search` of a filter (NIP-50): untrusted text → what to look for. Nothing that somebody may
// write there is an error; what is beyond the bounds is passed over. Pure; knows no thread.
//
//   nostr relay        both words, anywhere      "nostr relay"   side by side, in this order
//   rel*               words that begin so       -spam           without that word
//   cat OR dog         either                    nsfw:false      without what is marked as such
//
// Other pairs `key:value` are extensions that this relay doesn't know, and ignored. A word with
// something between its letters (nostr.build, don't) is looked for as its parts, side by side.

import { pairsOf, splitPieces } from "./search-words.ts";

/** Words that stand side by side. */
export interface Phrase {
  readonly words: readonly string[];
  /** The last word need only begin so. */
  readonly isPrefix: boolean;
}

export interface SearchQuery {
  /** What was asked for, as far as it was read: it travels to other threads, to be parsed there. */
  readonly text: string;
  /** Of each group, one phrase at least. */
  readonly all: readonly (readonly Phrase[])[];
  /** None of these. Empty when `all` is. */
  readonly none: readonly Phrase[];
  readonly excludesNsfw: boolean;
}

/** The rest of a longer text is ignored: UTF-16 units. */
export const SEARCH_LENGTH_MAX = 1024;
/** Phrases in a query, and words of all of them. Further ones are ignored. */
const PHRASES_MAX = 16;
const WORDS_MAX = 64;
/** Beginnings shorter than this are taken for words: a letter is the beginning of too many. */
const PREFIX_LENGTH_MIN = 2;

/** What is written like an extension but is an address. */
const ADDRESS_SCHEMES: ReadonlySet<string> = new Set(["nostr", "lightning", "bitcoin", "mailto"]);
const EXTENSION = /^-?([a-z][a-z0-9_-]*):(?!\/\/)\S+$/i;
const QUOTES = /[“”„‟＂]/g;
/** A phrase in quotes, of which the second may be missing; or what stands between spaces. */
const TERM = /(-?)"([^"]*)"?|(\S+)/g;

/** Null when nothing is left to look for: then the filter is as one without a search. */
export function parseSearch(text: string): SearchQuery | null {
  const draft = new Draft();
  const kept = text.slice(0, SEARCH_LENGTH_MAX);
  for (const match of kept.replace(QUOTES, '"').matchAll(TERM)) {
    const [, minus, quoted, term] = match;
    if (quoted !== undefined) draft.add(phraseOf(quoted, false), minus === "-");
    else draft.addTerm(term as string);
  }
  const { all, excludesNsfw } = draft;
  if (all.length === 0 && !excludesNsfw) return null;
  const none = all.length === 0 ? [] : draft.none; // all that has not a word would be everything
  return { text: kept, all, none, excludesNsfw };
}

class Draft {
  readonly all: Phrase[][] = [];
  readonly none: Phrase[] = [];
  excludesNsfw = false;
  private phrases = 0;
  private words = 0;
  private isAlternative = false;

  addTerm(term: string): void {
    if (term === "OR") {
      this.isAlternative = this.all.length > 0;
      return;
    }
    if (term === "AND") return; // they all are
    const key = EXTENSION.exec(term)?.[1];
    if (key !== undefined && !ADDRESS_SCHEMES.has(key.toLowerCase())) {
      if (term.toLowerCase() === "nsfw:false") this.excludesNsfw = true;
      return;
    }
    const isExcluded = term.length > 1 && term.startsWith("-");
    this.add(phraseOf(term, term.endsWith("*")), isExcluded);
  }

  add(phrase: Phrase | null, isExcluded: boolean): void {
    if (phrase === null || this.phrases >= PHRASES_MAX) return;
    if (this.words + phrase.words.length > WORDS_MAX) return;
    this.phrases += 1;
    this.words += phrase.words.length;
    const last = this.all.at(-1);
    if (isExcluded) this.none.push(phrase);
    else if (this.isAlternative && last !== undefined) last.push(phrase);
    else this.all.push([phrase]);
    this.isAlternative = false;
  }
}

/** Null when the text has no words. */
function phraseOf(text: string, hasStar: boolean): Phrase | null {
  const pieces = splitPieces(text);
  const last = pieces.at(-1);
  if (last === undefined) return null;
  const words: string[] = [];
  for (const piece of pieces) {
    if (piece.isUnspaced) words.push(...pairsOf(piece.text));
    else words.push(piece.text);
  }
  // The run may go on where it is found, so its last character needn't stand by itself.
  const isRun = last.isUnspaced && [...last.text].length > 1;
  if (isRun) words.pop();
  const isPrefix = last.isUnspaced ? !isRun : hasStar && last.text.length >= PREFIX_LENGTH_MIN;
  if (words.length <= WORDS_MAX) return { words, isPrefix };
  return { words: words.slice(0, WORDS_MAX), isPrefix: false };
}
