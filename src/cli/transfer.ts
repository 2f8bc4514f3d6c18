// What the commands share that exchange events with another relay: their flags, the session, what
// they print, and how they end.
//
//   0  done; what this relay doesn't want is no failure
//   1  failed, and nothing was transferred: no connection, a refusal, the database
//   2  usage
//   3  incomplete: the relay broke off for good, refused events of ours, or holds some back; the
//      database failed; or the command was interrupted. What was committed stays.

import { SQLiteError } from "bun:sqlite";
import { nowSeconds } from "../config/clock.ts";
import { describeError } from "../config/log.ts";
import { parseSocksServer } from "../config/socks-server.ts";
import { openSignatureBackend } from "../crypto/open-backend.ts";
import { readKeyFile } from "../crypto/relay-key.ts";
import { configuredProxy, messageLengthMax } from "../mesh/configured-client.ts";
import type { FilterJson } from "../mesh/paging.ts";
import { PeerError, PeerFault, PeerRefusal, shown } from "../mesh/peer-error.ts";
import { type ProxyServer, proxyFor } from "../mesh/proxy.ts";
import { CHALLENGE_WAIT_MS } from "../mesh/relay-client.ts";
import type { RetryPolicy } from "../mesh/retry.ts";
import { Session } from "../mesh/session.ts";
import { type Filter, parseFilter } from "../protocol/filter.ts";
import { EXIT_FAILED, EXIT_OK, parseAge, type Parsed, UsageError } from "./command.ts";
import { parseFilterArguments } from "./filter-argument.ts";
import type { EventTaker } from "./event-taker.ts";
import { Intake } from "./intake.ts";
import { writeLines } from "./progress-line.ts";
import { ALL_TIMES, parseRange, type TimeRange } from "./range-argument.ts";
import { TransferReport } from "./transfer-report.ts";

export const EXIT_INCOMPLETE = 3;

export const PEER_VALUES = ["--filter", "--range", "--timeout", "--key-file", "--socks"] as const;

export const PEER_HELP = `\
  --filter JSON         only what matches a filter of NIP-01, or an array of filters
  --range S-E           only what is from S to E ago: 2M-, -1w, 1Y-3w; units s m h d w M Y
  --timeout TIME        how long the relay may owe an answer (default 30s; 0: a day)
  --key-file FILE       sign in with that key (NIP-42), 64 hex digits or an nsec
  --socks HOST:PORT     by that SOCKS5 server, such as Tor's 127.0.0.1:9050, whatever the relay

HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY are heeded. Exit codes: 0 done, 1 failed, 2 usage,
3 incomplete: the relay broke off, refused events of ours or held some back, or an interrupt.
`;

const TIMEOUT_DEFAULT = "30s";
/** Timers can't be set for a month; and for strfry's `0`, which is no limit. */
const TIMEOUT_S_MAX = 86_400;
const NOTICES_SHOWN = 20;
const WORLDS_FAULTS = [PeerError, PeerRefusal, PeerFault, SQLiteError] as const;

/** A filter with the range in it. */
export interface PeerFilter {
  readonly json: FilterJson;
  readonly filter: Filter;
}

export interface Peer {
  readonly url: string;
  readonly filters: readonly PeerFilter[];
  readonly timeoutMs: number;
  readonly keyFile: string | null;
  readonly proxy: ProxyServer | null;
}

/** Reads what all of these commands are given. */
export function parsePeer({ positionals, values }: Parsed): Peer {
  const [url, extra] = positionals;
  if (url === undefined) throw new UsageError("the relay's address is missing");
  if (extra !== undefined) throw new UsageError(`unexpected argument ${extra}`);
  if (!/^wss?:\/\//i.test(url) || !URL.canParse(url)) {
    throw new UsageError(`${url} is no address of a relay, such as wss://relay.example`);
  }
  const timeoutS = parseAge("--timeout", values.get("--timeout") ?? TIMEOUT_DEFAULT);
  if (timeoutS > TIMEOUT_S_MAX) throw new UsageError("--timeout: it must be a day at most");
  const timeoutMs = 1000 * (timeoutS === 0 ? TIMEOUT_S_MAX : timeoutS);
  const now = nowSeconds();
  const range = values.get("--range");
  const times = range === undefined ? ALL_TIMES : parseRange(range, now);
  const filters = parseFilterArguments(values.get("--filter") ?? "{}").flatMap(({ json }) =>
    withRange(JSON.parse(json) as FilterJson, times),
  );
  const proxy = parseProxy(url, values.get("--socks"));
  return { url, filters, timeoutMs, keyFile: values.get("--key-file") ?? null, proxy };
}

/** What is asked for on the command line holds, whatever the environment says. */
function parseProxy(url: string, asked: string | undefined): ProxyServer | null {
  const proxy = asked === undefined ? configuredProxy(url) : askedProxy(url, asked);
  if (typeof proxy !== "string") return proxy;
  throw new UsageError(proxy);
}

function askedProxy(url: string, asked: string): ProxyServer | null | string {
  const server = parseSocksServer(asked);
  if (server === null) throw new UsageError("--socks: it needs the HOST:PORT of a SOCKS5 server");
  return proxyFor(url, {}, { server, isForAll: true });
}

/** None when it can match nothing. */
function withRange(json: FilterJson, { since, until }: TimeRange): PeerFilter[] {
  const bounded: Record<string, unknown> = { ...json };
  const { since: ownSince, until: ownUntil } = json;
  if (since !== null) bounded["since"] = Math.max(since, Number(ownSince ?? since));
  if (until !== null) bounded["until"] = Math.min(until, Number(ownUntil ?? until));
  const filter = parseFilter(bounded);
  if (typeof filter === "string") throw new UsageError(`the filter is ${filter}`);
  return filter === null ? [] : [{ json: bounded, filter }];
}

/** By a signal. */
class Interrupted extends Error {
  override readonly name = "Interrupted";
}

export interface Transfer {
  readonly peer: Peer;
  readonly session: Session;
  readonly intake: EventTaker;
  readonly report: TransferReport;
}

export interface TransferOptions {
  readonly retry: RetryPolicy;
  /** It ends by a signal, and has then done all there was to do. */
  readonly isEndless: boolean;
  readonly openIntake: () => EventTaker;
}

export const INTO_DATABASE = (): EventTaker => new Intake();

/** Runs `body` with a connection that has been made, prints what came of it, returns the code. */
export async function runTransfer(
  peer: Peer,
  { retry, isEndless, openIntake }: TransferOptions,
  body: (transfer: Transfer) => Promise<void>,
): Promise<number> {
  const { warning } = openSignatureBackend();
  if (warning !== null) say(warning);
  const session = openSession(peer, retry);
  // Each time: npm and timeout(1) pass on a signal that the terminal has sent already.
  const stop = (): void => session.stop(new Interrupted("interrupted"));
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  const intake = openIntake();
  const report = new TransferReport(intake);
  let isInterrupted = false;
  try {
    await session.open();
    await body({ peer, session, intake, report });
  } catch (error) {
    isInterrupted = error instanceof Interrupted;
    if (!isInterrupted) report.addProblem(describeProblem(error, peer));
    else if (!isEndless) report.addProblem("interrupted");
  } finally {
    report.stop();
    session.close();
    closeIntake(intake, report);
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  }
  writeLines(report.summary());
  if (report.isComplete || (isInterrupted && isEndless)) return EXIT_OK;
  return report.isEmpty && !isInterrupted ? EXIT_FAILED : EXIT_INCOMPLETE;
}

/** What is still to be written may not fit on the disk. */
function closeIntake(intake: EventTaker, report: TransferReport): void {
  try {
    intake.close();
  } catch (error) {
    if (!(error instanceof SQLiteError)) throw error;
    report.addProblem(describeError(error));
  }
}

function openSession({ url, timeoutMs, keyFile, proxy }: Peer, retry: RetryPolicy): Session {
  let noticeCount = 0;
  return new Session({
    url,
    retry,
    timeoutMs,
    challengeWaitMs: CHALLENGE_WAIT_MS,
    key: keyFile === null ? null : readKeyFile(keyFile),
    proxy,
    messageLengthMax: messageLengthMax(),
    onNotice: (text) => {
      noticeCount += 1;
      if (noticeCount <= NOTICES_SHOWN) say(`the relay says: ${shown(text)}`);
    },
    onRetry: ({ message }, delayMs) => say(`${message}: again in ${(delayMs / 1000).toFixed(1)} s`),
  });
}

/** Throws what is neither the peer's fault nor the database's. */
function describeProblem(error: unknown, { keyFile }: Peer): string {
  const isOurs = !WORLDS_FAULTS.some((fault) => error instanceof fault);
  if (isOurs) throw error;
  const mayHelp = error instanceof PeerRefusal && error.reason.startsWith("auth-required");
  return describeError(error) + (mayHelp && keyFile === null ? " (--key-file FILE signs in)" : "");
}

export function say(line: string): void {
  writeLines(`nandu: ${line}\n`);
}
