// Something to be done at another relay that may take several connections: each time one breaks,
// another is made, after a delay, for as long as the policy says. Belongs to one thread.

import { PeerError } from "./peer-error.ts";
import { type ClientOptions, RelayClient } from "./relay-client.ts";
import { Retry, type RetryPolicy } from "./retry.ts";

export interface SessionOptions extends ClientOptions {
  readonly url: string;
  readonly retry: RetryPolicy;
  /** A connection has ended, or the peer asks for a pause: it goes on after so long. */
  readonly onRetry: (error: PeerError, delayMs: number) => void;
}

export class Session {
  private readonly options: SessionOptions;
  private readonly retry: Retry;
  private client: RelayClient | null = null;
  private connecting: Promise<RelayClient> | null = null;
  private recovering: Promise<void> | null = null;
  private readonly stopped = Promise.withResolvers<never>();
  private readonly suspended = new Set<(error: Error) => void>();
  private isStopped = false;

  constructor(options: SessionOptions) {
    this.options = options;
    this.retry = new Retry(options.retry);
    this.stopped.promise.catch(() => {}); // nobody may be waiting
  }

  /** The first connection: who can't be reached at all needs no second try. */
  async open(): Promise<void> {
    await this.connect();
  }

  /**
   * Runs `body` with a connection, and again with another one when that broke. Throws what the peer
   * refuses, what the last failure was, or what `stop` was given. Whenever something has been got
   * done, `progressed` is to be said, or the failures add up.
   */
  async run<T>(body: (client: RelayClient) => Promise<T>): Promise<T> {
    for (;;) {
      let client: RelayClient | null = null;
      try {
        client = await this.connect();
        return await body(client);
      } catch (error) {
        if (!(error instanceof PeerError) || this.isStopped) throw error;
        const hasAnother = client !== null && client !== this.client && this.client?.isOpen;
        if (!hasAnother) await this.recover(error);
      }
    }
  }

  /** Once for all that a broken connection has interrupted. */
  private recover(error: PeerError): Promise<void> {
    this.recovering ??= this.wait(error).finally(() => (this.recovering = null));
    return this.recovering;
  }

  private async wait(error: PeerError): Promise<void> {
    const delayMs = this.retry.failed();
    if (delayMs === null) throw error;
    this.options.onRetry(error, delayMs);
    await this.sleep(delayMs);
  }

  /** Because the peer asks for it: told as what goes on after a broken connection. */
  async pause(why: string, delayMs: number): Promise<void> {
    this.options.onRetry(new PeerError(why), delayMs);
    await this.sleep(delayMs);
  }

  /** Ends early, by an error, when the session is stopped. */
  sleep(ms: number): Promise<void> {
    return this.suspend((resume) => {
      const timer = setTimeout(resume, ms);
      return () => clearTimeout(timer);
    });
  }

  /**
   * Until `resume` is called, which `begin` doesn't do itself; ends early, by an error, when the
   * session is stopped. What `begin` returns is called in either case. (Races against one promise
   * that is never settled would add up, in a session that lives for months.)
   */
  suspend(begin: (resume: () => void) => () => void): Promise<void> {
    if (this.isStopped) return this.stopped.promise;
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.suspended.delete(fail);
        cancel();
      };
      const fail = (error: Error): void => {
        end();
        reject(error);
      };
      this.suspended.add(fail);
      const cancel = begin(() => {
        end();
        resolve();
      });
    });
  }

  progressed(): void {
    this.retry.succeeded();
  }

  /** Whoever waits for the peer gets this error, now and later. */
  stop(error: Error): void {
    if (this.isStopped) return;
    this.isStopped = true;
    this.stopped.reject(error);
    this.client?.close(error);
    for (const fail of [...this.suspended]) fail(error);
  }

  close(): void {
    this.stop(new PeerError("the connection was closed here"));
  }

  /** Several things at once: when one fails, the others end, too, before this does. */
  async together(...tasks: readonly Promise<void>[]): Promise<void> {
    const stopping = tasks.map((task) =>
      task.catch((error: unknown) => {
        this.stop(error instanceof Error ? error : new Error(String(error)));
        throw error;
      }),
    );
    const results = await Promise.allSettled(stopping);
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /** One at a time, for all that go on at the same time. */
  private async connect(): Promise<RelayClient> {
    if (this.isStopped) return this.stopped.promise;
    if (this.client?.isOpen) return this.client;
    this.connecting ??= this.connectAnew().finally(() => (this.connecting = null));
    return Promise.race([this.connecting, this.stopped.promise]);
  }

  private async connectAnew(): Promise<RelayClient> {
    const client = await RelayClient.connect(this.options.url, this.options);
    if (this.isStopped) client.close();
    this.client = client;
    return client;
  }
}
