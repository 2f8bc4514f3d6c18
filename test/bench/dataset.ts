// The events that benchmarks run on: the same from the same seed on every machine, validly signed,
// and shaped like what relays hold (about 890 bytes and 5 tags each; notes and replies, reactions,
// reposts, profiles, contact lists, articles). A few authors, notes and hashtags are popular and
// most are not. Events refer to those made before, so a smaller set is the start of a larger.
//
// Each author has one profile and at most one contact list, so that no event replaces another.

import type { NostrEvent } from "../../src/protocol/event.ts";
import { authorKey, type EventTemplate, signEvent } from "../support/events.ts";
import { Random } from "../support/random.ts";

export const AUTHORS = 2000;
/** The newest events are of this second (October 2025): fixed, or ids would change with the day. */
export const END_S = 1_760_000_000;
export const YEAR_S = 31_536_000;
export const SEED = 20_260;

/** From common to rare: the first is picked about thirty times as often as the last. */
const HASHTAGS = (
  "nostr bitcoin zap news art music food photography travel memes privacy linux cats books " +
  "coffee plebchain permaculture cycling chess cinema gardening mushrooms radio astronomy"
).split(" ");
export const COMMON_TAG = "nostr";
export const RARE_TAG = "ñandú";
const RARE_TAG_EVERY = 2000;

const RELAYS = ["wss://relay.example.com", "wss://nos.example.net/", "", "wss://r.example.org"];
const WORDS = (
  "the a of and to in is that for it with as on relay note client key people today coffee " +
  "morning bitcoin freedom think know see make good new world time day build open source " +
  "network words maybe never always really little great question answer because " +
  "without before after together I'm don't it's \"quoted\" https://example.com/a/b?c=d #nostr happy " +
  "birthday garden river light"
).split(" ");
const FAR_WORDS =
  "こんにちは 世界 привет мир ñandú 🤙 ⚡ 🧡 über naïve 你好 朋友 שלום 👩‍🌾 café 🎉".split(" ");
const REACTIONS = ["+", "🤙", "❤️", "🧡", "+", "🔥", "😂", "+"];
const PROFILE_EVERY = 25;
const CONTACTS_EVERY = 400;
const CONTACTS_AT = 7;
const CONTACTS_MAX = 500;

/**
 * A rank from 0 to `count` - 1, where the probability of rank r falls as 1 / (r + flat): Zipf's
 * law with its head cut, so that the most popular is known to many and not to everybody.
 */
export function popularRank(random: Random, count: number, flat: number): number {
  const share = random.next() / 2 ** 32;
  return Math.min(count - 1, Math.floor(flat * ((1 + count / flat) ** share - 1)));
}

export function popularAuthor(random: Random): number {
  return popularRank(random, AUTHORS, 10);
}

export function popularHashtag(random: Random): string {
  if (random.oneIn(RARE_TAG_EVERY)) return RARE_TAG;
  return HASHTAGS[popularRank(random, HASHTAGS.length, 0.5)] as string;
}

/** What the maker remembers of a note, to answer it: 40 bytes each, a million are 40 MB. */
class Notes {
  count = 0;
  private ids = Buffer.alloc(32 << 10);
  private authors = new Uint32Array(1 << 10);
  private roots = new Uint32Array(1 << 10);

  add(id: string, author: number, root: number): void {
    if (this.count === this.authors.length) this.grow();
    this.ids.write(id, this.count * 32, "hex");
    this.authors[this.count] = author;
    this.roots[this.count] = root < 0 ? this.count : root;
    this.count += 1;
  }

  id(index: number): string {
    return this.ids.toString("hex", index * 32, index * 32 + 32);
  }

  pubkey(index: number): string {
    return authorKey(this.authors[index] as number).pubkey;
  }

  root(index: number): number {
    return this.roots[index] as number;
  }

  private grow(): void {
    const { authors, roots } = this;
    this.ids = Buffer.concat([this.ids, Buffer.alloc(this.ids.length)]);
    this.authors = new Uint32Array(authors.length * 2);
    this.authors.set(authors);
    this.roots = new Uint32Array(roots.length * 2);
    this.roots.set(roots);
  }
}

type Draft = Omit<EventTemplate, "created_at">;

export class DatasetMaker {
  private readonly random: Random;
  private readonly notes = new Notes();
  private made = 0;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  next(): NostrEvent {
    const { random } = this;
    const index = this.made;
    this.made += 1;
    const created_at = END_S - random.below(YEAR_S);
    const profile = index / PROFILE_EVERY;
    if (index % PROFILE_EVERY === 0 && profile < AUTHORS) {
      return signEvent({ ...this.profile(profile), created_at }, authorKey(profile));
    }
    const contacts = (index - CONTACTS_AT) / CONTACTS_EVERY;
    if (index % CONTACTS_EVERY === CONTACTS_AT && contacts < AUTHORS) {
      return signEvent({ ...this.contacts(), created_at }, authorKey(contacts));
    }
    return this.ordinary(popularAuthor(random), created_at);
  }

  /** The id of a note that earlier ones have answered: the more popular, the likelier. */
  popularNote(): string {
    return this.notes.id(this.popular());
  }

  private ordinary(author: number, created_at: number): NostrEvent {
    const key = authorKey(author);
    const dice = this.random.below(100);
    const { count } = this.notes;
    if (count === 0 || dice < 22) return this.note(this.root(), author, created_at, -1);
    if (dice < 52) {
      const parent = this.popular();
      return this.note(this.reply(parent), author, created_at, this.notes.root(parent));
    }
    if (dice < 87) return signEvent({ ...this.reaction(), created_at }, key);
    if (dice < 98) return signEvent({ ...this.repost(), created_at }, key);
    return signEvent({ ...this.article(), created_at }, key);
  }

  private note(draft: Draft, author: number, created_at: number, root: number): NostrEvent {
    const event = signEvent({ ...draft, created_at }, authorKey(author));
    this.notes.add(event.id, author, root);
    return event;
  }

  private popular(): number {
    return popularRank(this.random, this.notes.count, 2000);
  }

  private root(): Draft {
    const { random } = this;
    const tags = random.list(random.below(7), () => ["t", popularHashtag(random)]);
    if (random.oneIn(2)) tags.push(this.p());
    if (random.oneIn(3)) tags.push(["client", "bench", `31990:${random.hex(64)}:1`]);
    return { kind: 1, tags, content: this.text(5, 70) };
  }

  private reply(parent: number): Draft {
    const { notes, random } = this;
    const root = notes.root(parent);
    const tags = [["e", notes.id(root), random.pick(RELAYS), "root", notes.pubkey(root)]];
    if (parent !== root) tags.push(["e", notes.id(parent), random.pick(RELAYS), "reply"]);
    tags.push(["p", notes.pubkey(parent)], ["p", notes.pubkey(root)]);
    while (random.below(5) < 3) tags.push(this.p());
    tags.push(["t", popularHashtag(random)]);
    return { kind: 1, tags, content: this.text(3, 40) };
  }

  private reaction(): Draft {
    const { notes, random } = this;
    const note = this.popular();
    const tags = [
      ["e", notes.id(note), random.pick(RELAYS), notes.pubkey(note)],
      ["p", notes.pubkey(note), random.pick(RELAYS)],
      ["k", "1"],
    ];
    if (random.oneIn(2)) tags.push(["e", notes.id(notes.root(note)), "", "root"]);
    while (random.oneIn(2)) tags.push(this.p());
    return { kind: 7, tags, content: random.pick(REACTIONS) };
  }

  private repost(): Draft {
    const { notes, random } = this;
    const note = this.popular();
    const tags = [
      ["e", notes.id(note), random.pick(RELAYS)],
      ["p", notes.pubkey(note)],
    ];
    const id = notes.id(note);
    const text = this.text(5, 30);
    const content = {
      id,
      pubkey: notes.pubkey(note),
      kind: 1,
      content: text,
      sig: random.hex(128),
    };
    return { kind: 6, tags, content: JSON.stringify(content) };
  }

  private profile(author: number): Draft {
    const name = `author${author}`;
    const about = this.text(20, 80);
    const picture = `https://example.com/${this.random.hex(64)}.jpg`;
    const nip05 = `${name}@example.com`;
    const content = JSON.stringify({
      name,
      display_name: name,
      about,
      picture,
      nip05,
      lud16: nip05,
    });
    return { kind: 0, tags: [], content };
  }

  /** Different authors, few of them or many. */
  private contacts(): Draft {
    const { random } = this;
    const count = 1 + Math.floor(CONTACTS_MAX * (random.next() / 2 ** 32) ** 1.5);
    const first = random.below(AUTHORS);
    const tags = Array.from({ length: count }, (_, i) => [
      "p",
      authorKey((first + i * 3) % AUTHORS).pubkey,
    ]);
    return { kind: 3, tags, content: "" };
  }

  private article(): Draft {
    const { random } = this;
    const tags = [
      ["d", `article-${random.hex(12)}`],
      ["title", this.text(4, 10)],
      ["summary", this.text(10, 30)],
      ["published_at", String(END_S - random.below(YEAR_S))],
      ...random.list(3, () => ["t", popularHashtag(random)]),
    ];
    return { kind: 30_023, tags, content: this.text(100, 500) };
  }

  private p(): string[] {
    return ["p", authorKey(popularAuthor(this.random)).pubkey];
  }

  /** Every eighth text holds words beyond Latin-1, which engines keep and hash in another form. */
  private text(wordsMin: number, wordsMax: number): string {
    const { random } = this;
    const count = random.between(wordsMin, wordsMax);
    const isFar = random.oneIn(8);
    let text = "";
    for (let i = 0; i < count; i++) {
      if (i > 0) text += random.oneIn(24) ? "\n" : " ";
      text += isFar && random.oneIn(3) ? random.pick(FAR_WORDS) : random.pick(WORDS);
    }
    return text;
  }
}
