// A relay with groups (NIP-29), and clients that speak of them: events are of now, for groups take
// no others.

import { expect } from "bun:test";
import { verifyEvent } from "nostr-tools";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client, type Frame } from "./client.ts";
import { authorKey, signEvent } from "./events.ts";
import { RelayProcess } from "./relay-process.ts";
import { nowSeconds, ok } from "./topic.ts";

/** Authors of events.ts. */
export const ADMIN = 1;
export const MODERATOR = 2;
export const MEMBER = 3;
export const STRANGER = 4;

export const pubkeyOf = (author: number): string => authorKey(author).pubkey;

export interface GroupFields {
  readonly tags?: readonly (readonly string[])[];
  readonly content?: string;
  readonly created_at?: number;
}

let made = 0;

/** An event of that group; no two are the same. */
export function groupEvent(
  kind: number,
  author: number,
  group: string,
  { tags = [], content, created_at = nowSeconds() }: GroupFields = {},
): NostrEvent {
  made += 1;
  const all = [["h", group], ...tags];
  const text = content ?? `event ${made}`;
  return signEvent({ kind, tags: all, content: text, created_at }, authorKey(author));
}

/** What an event of the relay's own says. */
export type Said = Pick<NostrEvent, "kind" | "tags" | "content">;

export class GroupRelay {
  readonly process: RelayProcess;
  /** Its own public key. */
  readonly self: string;
  /** Publishes for all authors. */
  readonly client: Client;

  private constructor(process: RelayProcess, self: string, client: Client) {
    this.process = process;
    this.self = self;
    this.client = client;
  }

  static async start(
    flags: readonly string[] = [],
    more: { readonly dataDir?: string; readonly port?: number } = {},
  ): Promise<GroupRelay> {
    const process = await RelayProcess.start({ ...more, flags: ["--groups-enabled", ...flags] });
    const { self } = await informationOf(process);
    return new GroupRelay(process, self as string, await Client.connect(process.url));
  }

  /** A client signed in as that author, or not signed in. */
  async connect(author: number | null = null): Promise<Client> {
    const client = await Client.connect(this.process.url);
    if (author === null) return client;
    const frame = await client.signIn(author);
    expect(frame).toEqual(["OK", frame[1], true, ""]);
    return client;
  }

  publish(event: NostrEvent): Promise<Frame> {
    return this.client.publish(event);
  }

  /** Publishes what must be accepted. */
  async must(
    kind: number,
    author: number,
    group: string,
    fields: GroupFields = {},
  ): Promise<NostrEvent> {
    const event = groupEvent(kind, author, group, fields);
    expect(await this.publish(event)).toEqual(ok(event));
    return event;
  }

  /** A group whose members are one of each rank, with the flags and fields of these tags. */
  async group(id: string, ...tags: string[][]): Promise<string> {
    await this.must(9007, ADMIN, id);
    const puts = [
      ["p", pubkeyOf(MODERATOR), "moderator"],
      ["p", pubkeyOf(MEMBER)],
    ];
    await this.must(9000, ADMIN, id, { tags: puts });
    if (tags.length > 0) await this.must(9002, ADMIN, id, { tags });
    return id;
  }

  /** What the relay itself says in these events, newest first; they must be its own and valid. */
  async said(client: Client, ...filters: Record<string, unknown>[]): Promise<Said[]> {
    const events = await client.query(...filters);
    return events.map((event) => {
      expect([event.pubkey, verifyEvent(structuredClone(event) as never)]).toEqual([
        this.self,
        true,
      ]);
      return { kind: event.kind, tags: event.tags, content: event.content };
    });
  }

  /** The tags of the group's metadata of that kind, but the `d` tag; null when there is none. */
  async metadata(kind: number, group: string, client = this.client): Promise<unknown[] | null> {
    const found = await this.said(client, { kinds: [kind], "#d": [group] });
    expect(found.length).toBeLessThan(2);
    if (found[0] === undefined) return null;
    const [d, ...tags] = found[0].tags;
    expect(d).toEqual(["d", group]);
    return tags;
  }

  async stop(): Promise<void> {
    this.client.close();
    expect(await this.process.stop()).toBe(0);
  }
}

export async function informationOf(relay: RelayProcess): Promise<Record<string, unknown>> {
  const headers = { accept: "application/nostr+json" };
  const response = await fetch(relay.url.replace("ws:", "http:"), { headers });
  return (await response.json()) as Record<string, unknown>;
}
