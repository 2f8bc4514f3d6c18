// The methods of the management API (NIP-86): who may call them, what they are given, what they do.
// They run on the writing thread, within a transaction; what they publish goes with it. Each call
// that changes anything is logged (audit).

import type { EventReader } from "../store/read.ts";
import { type ControlChanges, ListFull, type Role } from "./control-changes.ts";
import { readControl } from "./control.ts";
import { Params } from "./management-params.ts";
import type { Membership } from "./membership.ts";
import { reportedEvents } from "./moderation.ts";
import { type Rank, rankOf } from "./rights.ts";
import type { Database } from "bun:sqlite";

/** What the methods work with. */
export interface ManagementTools {
  readonly db: Database;
  readonly reader: EventReader;
  readonly changes: ControlChanges;
  readonly membership: Membership;
  /** The relay's own key. */
  readonly self: string;
}

/** The method's result, or what is wrong with the call. */
export type Outcome = { readonly result: unknown } | { readonly error: string };

interface Method {
  /** The least rank that may call it. */
  readonly rank: Rank;
  /** Changes something, so it is logged. */
  readonly isChange: boolean;
  readonly run: (tools: ManagementTools, params: Params, rank: Rank) => Outcome;
}

/** `read` takes the parameters; `run` is only called when they are good. */
function method<T>(
  rank: Rank,
  isChange: boolean,
  read: (params: Params) => T,
  run: (tools: ManagementTools, values: T, rank: Rank) => Outcome,
): Method {
  return {
    rank,
    isChange,
    run: (tools, params, caller) => {
      const values = read(params);
      return params.problem === null ? run(tools, values, caller) : { error: params.problem };
    },
  };
}

function change<T>(
  rank: Rank,
  read: (params: Params) => T,
  run: (tools: ManagementTools, values: T) => Outcome | void,
): Method {
  return method(rank, true, read, (tools, values) => run(tools, values) ?? { result: true });
}

function list(rank: Rank, run: (tools: ManagementTools, rank: Rank) => unknown): Method {
  const read = () => null;
  return method(rank, false, read, (tools, _, caller) => ({ result: run(tools, caller) }));
}

const pubkeyAndReason = (params: Params) => [params.pubkey(0), params.text(1)] as const;
const idAndReason = (params: Params) => [params.id(0), params.text(1)] as const;
const pubkeyAndRole = (params: Params) => [params.pubkey(0), params.role(1)] as const;

function readRole(params: Params): Role {
  return {
    id: params.role(0),
    label: params.text(1),
    description: params.text(2),
    color: params.hue(3),
    order: params.optionalInteger(4),
  };
}

const METHODS: Readonly<Record<string, Method>> = {
  supportedmethods: list("moderator", (_, rank) =>
    Object.keys(METHODS).filter((name) => name !== "supportedmethods" && mayCall(rank, name)),
  ),

  banpubkey: change("moderator", pubkeyAndReason, (tools, [pubkey, reason]) => {
    if (pubkey === tools.self) return { error: "that is the relay's own key" };
    if (rankOf(pubkey) !== null) return { error: "that key manages the relay" };
    tools.membership.ban(pubkey, reason);
    return undefined;
  }),
  unbanpubkey: change("moderator", pubkeyAndReason, ({ membership }, [pubkey]) =>
    membership.unban(pubkey) ? undefined : { error: "that key is not banned" },
  ),
  listbannedpubkeys: list("moderator", ({ changes }) =>
    changes.reasons("banned_pubkey").map(([pubkey, reason]) => ({ pubkey, reason })),
  ),
  allowpubkey: change("moderator", pubkeyAndReason, (tools, [pubkey, reason]) => {
    if (tools.changes.isBanned(pubkey)) return { error: "that key is banned: unban it first" };
    tools.membership.add(pubkey, reason);
    return undefined;
  }),
  unallowpubkey: change("moderator", pubkeyAndReason, ({ membership }, [pubkey]) =>
    membership.remove(pubkey) ? undefined : { error: "that key is not allowed" },
  ),
  listallowedpubkeys: list("moderator", ({ changes }) =>
    changes.members().map(({ pubkey, reason }) => ({ pubkey, reason })),
  ),

  createrole: change("admin", readRole, ({ changes, membership }, role) => {
    if (changes.hasRole(role.id)) return { error: "there is such a role" };
    membership.putRole(role);
    return undefined;
  }),
  editrole: change("admin", readRole, ({ changes, membership }, role) => {
    if (!changes.hasRole(role.id)) return { error: "there is no such role" };
    membership.putRole(role);
    return undefined;
  }),
  deleterole: change(
    "admin",
    (params) => params.role(0),
    ({ changes, membership }, id) => {
      if (!changes.hasRole(id)) return { error: "there is no such role" };
      membership.deleteRole(id);
      return undefined;
    },
  ),
  assignrole: change("admin", pubkeyAndRole, ({ changes, membership }, [pubkey, role]) => {
    if (!changes.hasRole(role)) return { error: "there is no such role" };
    if (!changes.isMember(pubkey)) return { error: "that key is no member: allow it first" };
    membership.assignRole(pubkey, role);
    return undefined;
  }),
  unassignrole: change("admin", pubkeyAndRole, ({ changes, membership }, [pubkey, role]) => {
    if (!changes.hasRole(role)) return { error: "there is no such role" };
    membership.unassignRole(pubkey, role);
    return undefined;
  }),
  listroles: list("admin", ({ changes }) => changes.roles()),

  listeventsneedingmoderation: list("moderator", ({ reader, changes }) =>
    reportedEvents(reader, (id) => changes.isDecided(id)),
  ),
  allowevent: change("moderator", idAndReason, ({ changes }, [id, reason]) => {
    changes.allowEvent(id, reason);
  }),
  banevent: change("moderator", idAndReason, ({ changes }, [id, reason]) => {
    changes.banEvent(id, reason);
  }),
  listbannedevents: list("moderator", ({ changes }) =>
    changes.reasons("banned_event").map(([id, reason]) => ({ id, reason })),
  ),

  changerelayname: change(
    "admin",
    (params) => params.longText(0),
    ({ changes }, text) => changes.setText("name", text),
  ),
  changerelaydescription: change(
    "admin",
    (params) => params.longText(0),
    ({ changes }, text) => changes.setText("description", text),
  ),
  changerelayicon: change(
    "admin",
    (params) => params.longText(0),
    ({ changes }, text) => changes.setText("icon", text),
  ),

  allowkind: change(
    "admin",
    (params) => params.kind(0),
    ({ changes }, kind) => changes.allowKind(kind),
  ),
  disallowkind: change(
    "admin",
    (params) => params.kind(0),
    ({ changes }, kind) => changes.disallowKind(kind),
  ),
  listallowedkinds: list("admin", ({ db }) => sorted(readControl(db).allowedKinds)),
  listdisallowedkinds: list("admin", ({ db }) => sorted(readControl(db).disallowedKinds)),

  blockip: change(
    "admin",
    (params) => [params.network(0), params.text(1)] as const,
    ({ changes }, [ip, reason]) => changes.blockIp(ip, reason),
  ),
  unblockip: change(
    "admin",
    (params) => params.network(0),
    ({ changes }, ip) =>
      changes.unblockIp(ip) ? undefined : { error: "that address is not blocked" },
  ),
  listblockedips: list("admin", ({ changes }) =>
    changes.reasons("blocked_ip").map(([ip, reason]) => ({ ip, reason })),
  ),
};

function sorted(kinds: ReadonlySet<number>): number[] {
  return [...kinds].sort((a, b) => a - b);
}

/** Whether there is such a method, and that rank may call it. */
export function mayCall(rank: Rank, name: string): boolean {
  const found = methodOf(name);
  return found !== null && (rank === "admin" || found.rank === "moderator");
}

export function isMethod(name: string): boolean {
  return methodOf(name) !== null;
}

/** Whether it may change anything. */
export function isChange(name: string): boolean {
  return methodOf(name)?.isChange ?? false;
}

function methodOf(name: string): Method | null {
  return Object.hasOwn(METHODS, name) ? (METHODS[name] as Method) : null;
}

export interface ManagementCall {
  readonly caller: string;
  readonly method: string;
  readonly params: readonly unknown[];
}

/** `now` in unix seconds. The caller's right to call it is looked at once more. */
export function callMethod(tools: ManagementTools, call: ManagementCall, now: number): Outcome {
  const rank = rankOf(call.caller);
  const found = methodOf(call.method);
  if (rank === null || found === null || !mayCall(rank, call.method)) {
    return { error: "this key may not call that method" };
  }
  const outcome = runBounded(() => found.run(tools, new Params(call.params), rank));
  if (found.isChange) {
    const result = "error" in outcome ? outcome.error : "true";
    tools.changes.log(now, call.caller, call.method, call.params, result);
  }
  return outcome;
}

/** A full list is found before anything is changed. */
function runBounded(run: () => Outcome): Outcome {
  try {
    return run();
  } catch (error) {
    if (error instanceof ListFull) return { error: error.message };
    throw error;
  }
}
