// The management API as its clients use it (NIP-86, NIP-98), with everything in reach that a test
// may want to get wrong.

import { createHash } from "node:crypto";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { authorKey, type EventTemplate, signEvent } from "./events.ts";
import { nowSeconds } from "./topic.ts";

export const MANAGEMENT_TYPE = "application/nostr+json+rpc";

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

let made = 0;

/** A NIP-98 event, no two of them the same. */
export function httpAuthEvent(
  author: number,
  url: string,
  body: string,
  changes: Partial<EventTemplate> = {},
): NostrEvent {
  made += 1;
  const tags = [
    ["u", url],
    ["method", "POST"],
    ["payload", createHash("sha256").update(body).digest("hex")],
  ];
  const template = { kind: 27235, created_at: nowSeconds(), tags, content: String(made) };
  return signEvent({ ...template, ...changes }, authorKey(author));
}

export function authorizationOf(event: NostrEvent): string {
  return `Nostr ${Buffer.from(JSON.stringify(event)).toString("base64")}`;
}

export class Manager {
  private readonly url: string;
  private readonly author: number;

  /** `url`: the relay's, ws. */
  constructor(url: string, author: number) {
    this.url = url.replace(/^ws/, "http");
    this.author = author;
  }

  async call(method: string, ...params: unknown[]): Promise<Answer> {
    return this.send(JSON.stringify({ method, params }));
  }

  /** What a method returns that must work. */
  async result(method: string, ...params: unknown[]): Promise<unknown> {
    const { status, body } = await this.call(method, ...params);
    const { result, ...others } = body as { result: unknown };
    if (status !== 200 || Object.keys(others).length > 0) {
      throw new Error(`${method}: ${status} ${JSON.stringify(body)}`);
    }
    return result;
  }

  async send(body: string, headers: Record<string, string> = {}): Promise<Answer> {
    const authorization = authorizationOf(httpAuthEvent(this.author, this.url, body));
    const response = await fetch(this.url, {
      method: "POST",
      body,
      headers: { "content-type": MANAGEMENT_TYPE, authorization, ...headers },
    });
    return { status: response.status, body: await response.json() };
  }
}
