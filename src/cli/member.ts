// `nandu member`: who is a member of the relay (NIP-43).

import { type Command, configure, EXIT_OK, parseFlags, UsageError } from "./command.ts";
import {
  changeControl,
  noMore,
  OPERATOR,
  parseAction,
  parsePubkey,
  readChanges,
} from "./change-control.ts";

const usage = `Usage: nandu member list
       nandu member add KEY [--reason TEXT] [--role ID]
       nandu member remove KEY

Members may write and read where access.write and access.read say so. KEY is an npub or hex. The
list has a line for each: key, roles, reason, separated by tabs. Safe while the relay runs.

  --reason TEXT  why, for the list
  --role ID      a role that the relay has (NIP-86, createrole)
`;

const REASON_LENGTH_MAX = 500;

function run(args: readonly string[]): number {
  const { rest } = configure(args);
  const { values, positionals } = parseFlags(rest, [], ["--reason", "--role"]);
  const [text, key, extra] = positionals;
  const action = parseAction(text, ["list", "add", "remove"]);
  if (action !== "add" && values.size > 0) throw new UsageError(`${action} has no such flag`);
  noMore(action === "list" ? key : extra);
  if (action === "list") {
    const members = readChanges((changes) => changes.members());
    const lines = members.map((one) => [one.pubkey, one.roles.join(","), one.reason].join("\t"));
    process.stdout.write(lines.map((line) => `${line}\n`).join(""));
    return EXIT_OK;
  }
  const pubkey = parsePubkey(key);
  if (action === "remove") remove(pubkey);
  else add(pubkey, values.get("--reason") ?? "", values.get("--role") ?? null);
  return EXIT_OK;
}

function add(pubkey: string, reason: string, role: string | null): void {
  if (reason.length > REASON_LENGTH_MAX || /[\u0000-\u001f]/.test(reason)) {
    throw new UsageError(`--reason is one line of at most ${REASON_LENGTH_MAX} characters`);
  }
  const isNew = changeControl(({ changes, membership, now }) => {
    if (changes.isBanned(pubkey)) throw new Error(`${pubkey} is banned`);
    if (role !== null && !changes.hasRole(role)) throw new UsageError(`there is no role ${role}`);
    const isAdded = membership.add(pubkey, reason);
    if (isAdded) changes.log(now, OPERATOR, "allowpubkey", [pubkey, reason], "true");
    if (role === null) return isAdded;
    membership.assignRole(pubkey, role);
    changes.log(now, OPERATOR, "assignrole", [pubkey, role], "true");
    return isAdded;
  });
  process.stdout.write(isNew ? `added ${pubkey}\n` : `${pubkey} is a member already\n`);
}

function remove(pubkey: string): void {
  const wasMember = changeControl(({ changes, membership, now }) => {
    const isRemoved = membership.remove(pubkey);
    if (isRemoved) changes.log(now, OPERATOR, "unallowpubkey", [pubkey], "true");
    return isRemoved;
  });
  process.stdout.write(wasMember ? `removed ${pubkey}\n` : `${pubkey} is no member\n`);
}

export const memberCommand: Command = { usage, run };
