// `nandu why`: whether an event is here, and if not, what became of it, or what would keep it out.

import type { Database } from "bun:sqlite";
import { readFileSync } from "node:fs";
import { nowSeconds } from "../config/clock.ts";
import { visibility } from "../config/read-rules.ts";
import { isThisRelay } from "../config/this-relay.ts";
import { Admission, admissionRules } from "../crypto/admission.ts";
import { openSignatureBackend } from "../crypto/open-backend.ts";
import type { NostrEvent } from "../protocol/event.ts";
import { MATCH_ALL } from "../protocol/filter.ts";
import { isHex64 } from "../protocol/hex.ts";
import { classifyKind, KIND_DELETION } from "../protocol/kind.ts";
import { decodeEventReference } from "../protocol/nip19.ts";
import { NOBODY } from "../protocol/visibility.ts";
import { ControlVersion } from "../policy/control.ts";
import { Gate } from "../policy/gate.ts";
import { checkByGroups, isOpenToAll } from "../policy/groups/inquiry.ts";
import { checkPublisher } from "../policy/publisher.ts";
import { decodeText } from "../store/candidate.ts";
import { entriesOf, type LogEntry, type LogExtent, logExtent } from "../store/fate.ts";
import { findEvent, findObstacle, type ParsedEvent } from "../store/obstacle.ts";
import { EventReader } from "../store/read.ts";
import { openForReading, storeOptions } from "../store/schema.ts";
import { publisherRules } from "../workers/ingester.ts";
import {
  type Command,
  configure,
  EXIT_FAILED,
  EXIT_OK,
  parseFlags,
  UsageError,
} from "./command.ts";
import { openScan } from "./scan.ts";
import { counted, excerpt, isoTime, printTable, type Row } from "./table.ts";

const usage = `Usage: nandu why [--json] EVENT
       nandu why [--json] --event FILE

Says whether an event is here, and if not, what became of it: deleted, replaced, expired, removed by
the operator or refused, and when, as far as the log of that goes back. EVENT is an id (64 hex
digits, note1… or nevent1…), or the event's own JSON; so is what FILE holds (- for standard input).
Of an event's JSON it also says whether the relay would take it now, and which rule is against it.
Reads only; safe while the relay runs.

  --json  the same, as one line of JSON

Ends with 0 when the event is here and served, with 1 when it isn't, with 2 after a mistake.
`;

const ENTRIES_SHOWN = 20;
const DELETIONS_SHOWN = 5;
const STDIN = 0;

interface Question {
  /** Null when the JSON has none. */
  readonly id: string | null;
  /** What is to become an event, of whatever form; undefined when only the id is known. */
  readonly json: unknown;
}

/** What the relay would do with it now. */
interface Outlook {
  readonly effect: "stored" | "passed on" | "acknowledged" | "refused";
  readonly reason: string;
  /** Why it would be refused all the same from who hasn't signed in; null when it wouldn't. */
  readonly condition: string | null;
  /** The event that is in the way. */
  readonly by: string | null;
}

interface Answer {
  readonly id: string | null;
  readonly stored: ParsedEvent | null;
  readonly isExpired: boolean;
  readonly entries: readonly LogEntry[];
  readonly log: LogExtent;
  /** Whether only members of its group may see it (NIP-29). */
  readonly isOfGroup: boolean;
  /** Requests to delete that name an event which isn't here. */
  readonly deletions: readonly NostrEvent[];
  readonly outlook: Outlook | null;
}

function run(args: readonly string[]): number {
  const { rest } = configure(args);
  const { flags, values, positionals } = parseFlags(rest, ["--json"], ["--event"]);
  const question = questionOf(positionals, values.get("--event"));
  const db = openForReading(storeOptions());
  try {
    const answer = findOut(db, question, nowSeconds());
    if (flags.has("--json")) process.stdout.write(`${JSON.stringify(jsonOf(answer))}\n`);
    else printTable(rowsOf(answer));
    return answer.stored !== null && !answer.isExpired ? EXIT_OK : EXIT_FAILED;
  } finally {
    db.close();
  }
}

function questionOf(positionals: readonly string[], path: string | undefined): Question {
  const [text, extra] = path === undefined ? positionals : [readEvent(path), ...positionals];
  if (text === undefined) throw new UsageError("an event is missing");
  if (extra !== undefined) throw new UsageError(`unexpected argument ${excerpt(extra)}`);
  if (path === undefined && !/^\s*[{[]/.test(text)) return { id: idOf(text), json: undefined };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new UsageError("the event is not JSON");
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new UsageError("the event is not a JSON object");
  }
  const { id } = json as Record<string, unknown>;
  return { id: isHex64(id) ? id : null, json };
}

function readEvent(path: string): string {
  try {
    return readFileSync(path === "-" ? STDIN : path, "utf8");
  } catch (cause) {
    throw new Error(`can't read ${path}`, { cause });
  }
}

function idOf(text: string): string {
  const reference = text.replace(/^nostr:/, ""); // NIP-21
  const id = isHex64(text) ? text : decodeEventReference(reference);
  if (id === null) throw new UsageError(`${excerpt(text)} is neither an event nor an id of one`);
  return id;
}

function findOut(db: Database, question: Question, now: number): Answer {
  const reader = new EventReader(db);
  return reader.inSnapshot(() => answerTo(question, db, reader, now));
}

function answerTo({ id, json }: Question, db: Database, reader: EventReader, now: number): Answer {
  const stored = id === null ? null : findEvent(reader, id);
  const isExpired = stored !== null && stored.expires !== 0 && stored.expires <= now;
  return {
    id,
    stored,
    isExpired,
    entries: id === null ? [] : entriesOf(db, id, ENTRIES_SHOWN),
    log: logExtent(db),
    deletions: id === null || stored !== null ? [] : deletionsNaming(reader, id),
    isOfGroup: stored !== null && !isOpenToAll(db, stored.event),
    outlook:
      json === undefined ? null : outlookOf(db, reader, json, isExpired ? null : stored, now),
  };
}

/** The newest stored ones, whoever's. */
function deletionsNaming(reader: EventReader, id: string): NostrEvent[] {
  const tags = [{ letter: "e", values: new Set([id]) }];
  const filter = { ...MATCH_ALL, kinds: new Set([KIND_DELETION]), tags, limit: DELETIONS_SHOWN };
  return [...openScan(reader, [filter])].map(({ text }) => decodeText(text));
}

/** In the order in which the relay looks; `stored`: the same event, if it is served. */
function outlookOf(
  db: Database,
  reader: EventReader,
  json: unknown,
  stored: ParsedEvent | null,
  now: number,
): Outlook {
  const none = { reason: "", condition: null, by: null };
  if (stored !== null) {
    return { ...none, effect: "acknowledged", reason: "duplicate: already have this event" };
  }
  const gate = new Gate(db, new ControlVersion());
  const { pubkey } = json as Record<string, unknown>;
  const refusal = gate.refuseEvent(json, isHex64(pubkey) ? new Set([pubkey]) : NOBODY);
  if (refusal !== null) return { ...none, effect: "refused", reason: refusal };
  const admission = new Admission(openSignatureBackend().backend);
  const byAuthor = (event: NostrEvent) =>
    checkPublisher(event, new Set([event.pubkey]), publisherRules());
  const admitted = admission.admit(json, admissionRules(), now, byAuthor);
  if (typeof admitted === "string") return { ...none, effect: "refused", reason: admitted };
  const { event } = admitted;
  const condition =
    gate.refuseEvent(event, NOBODY) ?? checkPublisher(event, NOBODY, publisherRules());
  const isPassing = classifyKind(event.kind) === "ephemeral";
  const obstacle = isPassing ? null : findObstacle(db, event, isThisRelay());
  if (obstacle !== null) return { ...none, effect: "refused", ...obstacle };
  const reason = checkByGroups(db, reader, event, now);
  if (reason !== null) return { ...none, effect: "refused", reason };
  if (isPassing) return { ...none, effect: "passed on", condition };
  return { ...none, effect: "stored", condition };
}

// For people

function rowsOf(answer: Answer): Row[] {
  const { id, stored, entries, log, deletions, outlook } = answer;
  const rows: Row[] = [
    ["event", id ?? "without an id"],
    ["state", stateText(answer)],
  ];
  if (stored !== null) rows.push(...storedRows(stored, answer.isOfGroup));
  rows.push(...entries.map((entry, i): Row => [i === 0 ? "log" : "", entryText(entry)]));
  if (id !== null && stored === null && entries.length === 0) rows.push(["log", extentText(log)]);
  for (const { id: request, pubkey, created_at } of deletions) {
    rows.push(["request", `${request} of ${isoTime(created_at)} asks to delete it,`]);
    rows.push(["", `which counts if it is ${pubkey}'s`]);
  }
  if (outlook !== null) rows.push(["now", outlookText(outlook)]);
  if (outlook !== null && outlook.by !== null) rows.push(["", `in its way is ${outlook.by}`]);
  if (outlook !== null && outlook.condition !== null) {
    rows.push(["", `without a sign-in: ${outlook.condition}`]);
  }
  return rows;
}

function stateText({ id, stored, isExpired, entries }: Answer): string {
  if (stored !== null) return isExpired ? "expired, no longer served, not yet removed" : "here";
  return id === null || entries.length > 0 ? "not here" : "not here, and nothing is known of it";
}

function storedRows({ seq, expires, text, event }: ParsedEvent, isOfGroup: boolean): Row[] {
  return [
    ["seq", String(seq)],
    ["kind", `${event.kind}, ${classifyKind(event.kind)}`],
    ["author", event.pubkey],
    ["created", isoTime(event.created_at)],
    ["expires", expires === 0 ? "never" : isoTime(expires)],
    ["size", counted(text.length, "byte")],
    ["served", `to ${isOfGroup ? GROUP_AUDIENCE : audienceText(event.kind)}`],
  ];
}

const GROUP_AUDIENCE = "members of its group, once signed in";

function audienceText(kind: number): string {
  const { privateKinds, signedInKinds, isAllSignedIn } = visibility().rules;
  if (privateKinds.has(kind)) return "its author and the keys in its p tags, once signed in";
  return isAllSignedIn || signedInKinds.has(kind) ? "whoever has signed in" : "everybody";
}

function entryText({ at, what, detail }: LogEntry): string {
  return `${isoTime(at)} ${excerpt(eventText(what, detail))}`;
}

function eventText(what: LogEntry["what"], detail: string): string {
  switch (what) {
    case "replaced":
      return `replaced by ${detail}`;
    case "deleted":
      return `deleted, as asked by ${detail}`;
    case "vanished":
      return `removed with all of its author's, as asked by ${detail}`;
    case "expired":
      return "removed, having expired";
    case "erased":
      return "removed by nandu delete";
    case "banned":
    case "refused":
      return detail === "" ? what : `${what}: ${detail}`;
  }
}

function extentText({ entries, since }: LogExtent): string {
  if (since === null) return "empty";
  return `says nothing of it; has ${counted(entries, "entry", "entries")}, since ${isoTime(since)}`;
}

function outlookText({ effect, reason }: Outlook): string {
  switch (effect) {
    case "stored":
      return "it would be stored";
    case "passed on":
      return "it would be passed on and not be stored: its kind is ephemeral";
    default:
      return `it would be ${effect}: ${excerpt(reason)}`;
  }
}

// For machines

function jsonOf(answer: Answer) {
  const { id, stored, isExpired, entries, log, deletions, outlook } = answer;
  return {
    id,
    is_here: stored !== null && !isExpired,
    stored: stored && {
      seq: stored.seq,
      kind: stored.event.kind,
      pubkey: stored.event.pubkey,
      created_at: stored.event.created_at,
      expires: stored.expires === 0 ? null : stored.expires,
      bytes: stored.text.length,
      served_to: audienceText(stored.event.kind),
    },
    log: { entries, since: log.since },
    deletion_requests: deletions.map((one) => ({ id: one.id, pubkey: one.pubkey })),
    now: outlook,
  };
}

export const whyCommand: Command = { usage, run };
