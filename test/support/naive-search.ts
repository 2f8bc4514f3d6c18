// Searches at random, and what they find in events made for them, in the fewest words: texts are
// cut at spaces and held against each other (NIP-50). Shares no code with src.

import type { NostrEvent } from "../../src/protocol/event.ts";
import { author, type Dice, makeEvent } from "./unsigned-events.ts";

/** Words that are beginnings, parts and neighbours of each other. */
const WORDS = "al alpha alphabet beta bet gamma 東京都 京都 東京 都 猫 猫猫 ไทย ดีไทย".split(" ");

export interface RawTerm {
  /** Side by side. */
  readonly words: readonly string[];
  readonly isPrefix: boolean;
}

export interface RawQuery {
  readonly all: readonly (readonly RawTerm[])[];
  readonly none: readonly RawTerm[];
  readonly isNsfwOut: boolean;
}

export function renderQuery({ all, none, isNsfwOut }: RawQuery): string {
  const parts = all.map((group) => group.map(renderTerm).join(" OR "));
  for (const term of none) parts.push(`-${renderTerm(term)}`);
  if (isNsfwOut) parts.push("nsfw:false");
  return parts.join(" ");
}

function renderTerm({ words, isPrefix }: RawTerm): string {
  if (words.length > 1) return `"${words.join(" ")}"`;
  return isPrefix ? `${words[0]}*` : `${words[0]}`;
}

export function naiveSearches({ all, none, isNsfwOut }: RawQuery, event: NostrEvent): boolean {
  const tagged = (names: string[]) =>
    event.tags.filter(([name]) => names.includes(name ?? "")).map(([, value]) => value ?? "");
  if (isNsfwOut && (tagged(["content-warning"]).length > 0 || tagged(["t"]).includes("nsfw"))) {
    return false;
  }
  const texts = [event.content, ...tagged(["title", "summary", "t"])].map((text) =>
    text.split(" "),
  );
  const has = (term: RawTerm) => texts.some((words) => stands(term, words));
  return all.every((group) => group.some(has)) && !none.some(has);
}

function stands({ words, isPrefix }: RawTerm, text: readonly string[]): boolean {
  return text.some((_, at) =>
    words.every((word, i) => {
      const found = text[at + i];
      if (found === undefined) return false;
      if (/[a-z]/.test(word)) return isPrefix ? found.startsWith(word) : found === word;
      if (words.length === 1) return found.includes(word); // no spaces around it
      if (i === 0) return found.endsWith(word);
      return i === words.length - 1 ? found.startsWith(word) : found === word;
    }),
  );
}

export function randomQuery(dice: Dice): RawQuery {
  const term = (): RawTerm => {
    const words = dice.some(WORDS, dice.chance(0.25) ? 2 : 1);
    return { words, isPrefix: words.length === 1 && dice.chance(0.2) };
  };
  const group = () => dice.list(dice.chance(0.2) ? 2 : 1, term);
  const all = dice.list(1 + dice.below(2), group);
  const none = dice.chance(0.2) ? [term()] : [];
  return { all, none, isNsfwOut: dice.chance(0.15) };
}

const KINDS = [1, 1, 7, 30_023];

/** With few authors, tags and times, so that they meet. `n` keeps them apart. */
export function randomSearchable(dice: Dice, n: number): NostrEvent {
  const text = () => dice.some(WORDS, 1 + dice.below(6)).join(" ");
  const tags = [["d", `${dice.below(4)}`]];
  if (dice.chance(0.3)) tags.push([dice.pick(["title", "summary", "alt2"]), text()]);
  if (dice.chance(0.3)) tags.push(["t", dice.pick(["alpha", "猫", "nsfw"])]);
  if (dice.chance(0.1)) tags.push(["content-warning", ""]);
  if (dice.chance(0.2)) tags.push(["p", author(dice.below(3))]);
  tags.push(["n", `${n}`]);
  const created_at = 1000 + dice.below(50);
  const pubkey = author(dice.below(3));
  return makeEvent({ pubkey, created_at, kind: dice.pick(KINDS), tags, content: text() });
}
