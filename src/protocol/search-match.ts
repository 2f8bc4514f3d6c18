// What of an event is searched, and whether it matches a query (NIP-50). The one definition: what
// is stored is found by an index of the same words, what comes live is matched here. Pure; knows
// no thread.

import { firstTagValue, type NostrEvent } from "./event.ts";
import type { Phrase, SearchQuery } from "./search-query.ts";
import { addWords } from "./search-words.ts";

/** Further words of an event are not searched. */
export const EVENT_WORDS_MAX = 4096;
/** Nor is more than this of one of its texts: UTF-16 units. */
const TEXT_LENGTH_MAX = 65_536;
/** Stands between two texts, so that no phrase is found across. No text has it as a word. */
export const TEXT_BREAK = "·";

/** Tags whose values are texts. */
const TITLE_TAGS: ReadonlySet<string> = new Set(["title", "subject", "name"]);
const BODY_TAGS: ReadonlySet<string> = new Set(["summary", "description", "alt", "t"]);
/** Of the JSON in a profile (kind 0). */
const PROFILE_TITLES = ["name", "display_name", "displayName", "nip05"] as const;
const KIND_PROFILE = 0;

/** The words of an event, in order. */
export interface EventWords {
  /** What it is called: found there, it counts for more. */
  readonly title: readonly string[];
  readonly body: readonly string[];
}

export function eventWords(event: NostrEvent): EventWords {
  const { titles, bodies } = event.kind === KIND_PROFILE ? profileTexts(event) : texts(event);
  return { title: wordsOf(titles), body: wordsOf(bodies) };
}

interface Texts {
  readonly titles: string[];
  readonly bodies: string[];
}

function texts({ content, tags }: NostrEvent): Texts {
  const titles: string[] = [];
  const bodies = [content];
  for (const [name, value] of tags) {
    if (name === undefined || value === undefined) continue;
    if (TITLE_TAGS.has(name)) titles.push(value);
    else if (BODY_TAGS.has(name)) bodies.push(value);
  }
  return { titles, bodies };
}

function profileTexts({ content }: NostrEvent): Texts {
  let profile: unknown;
  try {
    profile = JSON.parse(content);
  } catch {
    return { titles: [], bodies: [] }; // nobody can read it
  }
  if (typeof profile !== "object" || profile === null) return { titles: [], bodies: [] };
  const fields = profile as Record<string, unknown>;
  const isText = (value: unknown): value is string => typeof value === "string";
  return {
    titles: PROFILE_TITLES.map((name) => fields[name]).filter(isText),
    bodies: [fields["about"]].filter(isText),
  };
}

function wordsOf(texts: readonly string[]): string[] {
  const words: string[] = [];
  for (const text of texts) {
    if (text === "") continue;
    if (words.length >= EVENT_WORDS_MAX) break;
    if (words.length > 0) words.push(TEXT_BREAK);
    addWords(text.slice(0, TEXT_LENGTH_MAX), words, EVENT_WORDS_MAX);
  }
  return words;
}

/** By NIP-36, or by the hashtag that many use instead. */
export function isNsfw(event: NostrEvent): boolean {
  if (firstTagValue(event, "content-warning") !== null) return true;
  return event.tags.some(
    ([name, value]) => name === "content-warning" || (name === "t" && isNsfwTopic(value)),
  );
}

function isNsfwTopic(value: string | undefined): boolean {
  return value?.toLowerCase() === "nsfw";
}

/** A live event is held against many queries, and they all want its words. */
const known = new WeakMap<NostrEvent, readonly TextWords[]>();

export function matchesSearch(query: SearchQuery, event: NostrEvent): boolean {
  if (query.excludesNsfw && isNsfw(event)) return false;
  if (query.all.length === 0) return true;
  let texts = known.get(event);
  if (texts === undefined) {
    const { title, body } = eventWords(event);
    texts = [new TextWords(title), new TextWords(body)];
    known.set(event, texts);
  }
  const has = (phrase: Phrase): boolean => texts.some((one) => one.has(phrase));
  return query.all.every((group) => group.some(has)) && !query.none.some(has);
}

/**
 * The words of a text, in order. A look takes no longer than reading them once, whatever they are
 * and whatever is looked for: a client may have hundreds of searches open.
 */
class TextWords {
  private readonly words: readonly string[];
  private readonly different: ReadonlySet<string>;
  /** Made when a beginning is first looked for. */
  private sorted: readonly string[] | null = null;

  constructor(words: readonly string[]) {
    this.words = words;
    this.different = new Set(words);
  }

  has({ words, isPrefix }: Phrase): boolean {
    const beginning = isPrefix ? (words.at(-1) as string) : null;
    const whole = isPrefix ? words.slice(0, -1) : words;
    for (const word of whole) if (!this.different.has(word)) return false;
    if (beginning !== null && !this.hasBeginning(beginning)) return false;
    return words.length === 1 || this.hasRow(whole, beginning);
  }

  private hasBeginning(beginning: string): boolean {
    if (this.different.has(beginning)) return true;
    this.sorted ??= [...this.different].sort();
    let low = 0;
    let high = this.sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.sorted[middle] as string) < beginning) low = middle + 1;
      else high = middle;
    }
    return this.sorted[low]?.startsWith(beginning) === true;
  }

  /** Side by side, and then a word that begins so. After Knuth, Morris and Pratt. */
  private hasRow(row: readonly string[], beginning: string | null): boolean {
    const borders = bordersOf(row);
    let matched = 0;
    for (let place = 0; place < this.words.length; place++) {
      const word = this.words[place];
      while (matched > 0 && row[matched] !== word) matched = borders[matched - 1] as number;
      if (row[matched] === word) matched += 1;
      if (matched < row.length) continue;
      if (beginning === null || this.words[place + 1]?.startsWith(beginning) === true) return true;
      matched = borders[matched - 1] as number;
    }
    return false;
  }
}

/** For each of the row's beginnings, the longest shorter one that it ends with. */
function bordersOf(row: readonly string[]): readonly number[] {
  const borders = [0];
  let length = 0;
  for (const word of row.slice(1)) {
    while (length > 0 && row[length] !== word) length = borders[length - 1] as number;
    if (row[length] === word) length += 1;
    borders.push(length);
  }
  return borders;
}
