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
const known = new WeakMap<NostrEvent, readonly WordPlaces[]>();

export function matchesSearch(query: SearchQuery, event: NostrEvent): boolean {
  if (query.excludesNsfw && isNsfw(event)) return false;
  if (query.all.length === 0) return true;
  let places = known.get(event);
  if (places === undefined) {
    const { title, body } = eventWords(event);
    places = [new WordPlaces(title), new WordPlaces(body)];
    known.set(event, places);
  }
  const has = (phrase: Phrase): boolean => places.some((one) => one.has(phrase));
  return query.all.every((group) => group.some(has)) && !query.none.some(has);
}

/** Where each word of a text stands. */
class WordPlaces {
  private readonly words: readonly string[];
  private readonly places = new Map<string, number[]>();

  constructor(words: readonly string[]) {
    this.words = words;
    for (const [place, word] of words.entries()) {
      const found = this.places.get(word);
      if (found === undefined) this.places.set(word, [place]);
      else found.push(place);
    }
  }

  has({ words, isPrefix }: Phrase): boolean {
    const [first, ...others] = words as [string, ...string[]];
    if (isPrefix && others.length === 0) return this.hasBeginning(first);
    return (this.places.get(first) ?? []).some((place) =>
      others.every((word, i) => {
        const found = this.words[place + 1 + i];
        const isLast = i === others.length - 1;
        return isPrefix && isLast ? found?.startsWith(word) === true : found === word;
      }),
    );
  }

  private hasBeginning(beginning: string): boolean {
    if (this.places.has(beginning)) return true;
    for (const word of this.places.keys()) if (word.startsWith(beginning)) return true;
    return false;
  }
}
