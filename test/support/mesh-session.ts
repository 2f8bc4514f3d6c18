// A session with another relay in the test's own process, that tries again at once.

import { RelayKey } from "../../src/crypto/relay-key.ts";
import { Session } from "../../src/mesh/session.ts";
import { authorKey } from "./events.ts";

export interface TestSessionOptions {
  readonly timeoutMs?: number;
  /** The author of events.ts to sign in as. */
  readonly author?: number;
  readonly failuresMax?: number;
}

export class TestSession extends Session {
  readonly retries: string[];
  readonly notices: string[];

  constructor(url: string, options: TestSessionOptions = {}) {
    const { timeoutMs = 10_000, author, failuresMax = 5 } = options;
    const retries: string[] = [];
    const notices: string[] = [];
    super({
      url,
      timeoutMs,
      key: author === undefined ? null : new RelayKey(authorKey(author).secret),
      proxy: null,
      challengeWaitMs: 1000,
      messageLengthMax: 1 << 20,
      retry: { firstMs: 1, longestMs: 1, failuresMax },
      onNotice: (text) => void notices.push(text),
      onRetry: ({ message }) => void retries.push(message),
    });
    this.retries = retries;
    this.notices = notices;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
