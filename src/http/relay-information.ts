// The relay information document (NIP-11), made from the settings in force, so that it says no more
// and no less than what the relay enforces. Pure; belongs to no thread.

import type { Settings } from "../config/options.ts";
import { searchKinds } from "../config/search-kinds.ts";
import { keptKinds } from "../config/retention.ts";
import type { PublicControl } from "../policy/control.ts";
import { hasMembers, isManaged } from "../policy/rights.ts";
import { KIND_GIFT_WRAP } from "../protocol/kind.ts";
import { kindSet, parseKindNumber } from "../protocol/kind-set.ts";
import { SUBSCRIPTION_ID_LENGTH_MAX } from "../protocol/message.ts";
import { VERSION } from "../version.ts";

/** NIP-11: "a URL to the project's homepage". */
export const SOFTWARE = "https://github.com/nandu-relay/nandu";

interface SupportedNip {
  readonly nip: number;
  readonly isOn: (settings: Settings) => boolean;
}

/** In ascending order. What a client does by itself has no place here, only what the relay does. */
const SUPPORTED_NIPS: readonly SupportedNip[] = [
  { nip: 1, isOn: () => true },
  { nip: 4, isOn: (settings) => isPrivate(settings, 4) },
  { nip: 9, isOn: () => true },
  { nip: 11, isOn: () => true },
  { nip: 13, isOn: () => true },
  { nip: 17, isOn: (settings) => isPrivate(settings, KIND_GIFT_WRAP) },
  { nip: 29, isOn: (settings) => settings["groups.enabled"] },
  { nip: 40, isOn: () => true },
  { nip: 42, isOn: () => true },
  { nip: 43, isOn: hasMembers },
  { nip: 45, isOn: (settings) => settings["relay.count_max"] > 0 },
  { nip: 50, isOn: (settings) => searchKinds(settings).size > 0 },
  { nip: 59, isOn: (settings) => isPrivate(settings, KIND_GIFT_WRAP) },
  { nip: 62, isOn: () => true },
  { nip: 66, isOn: (settings) => settings["monitor.publish_interval_s"] > 0 },
  { nip: 67, isOn: (settings) => settings["relay.eose_hints"] },
  { nip: 70, isOn: () => true },
  { nip: 77, isOn: (settings) => settings["negentropy.enabled"] },
  { nip: 86, isOn: isManaged },
];

/** Whether events of that kind are for their authors and recipients only. */
function isPrivate(settings: Settings, kind: number): boolean {
  return kindSet(settings["auth.private_kinds"]).has(kind);
}

/** Those of the operator's words that NIP-11 has a field for; `info.X` becomes `X`. */
const TEXT_FIELDS = [
  "name",
  "description",
  "icon",
  "banner",
  "pubkey",
  "contact",
  "terms_of_service",
  "posting_policy",
  "privacy_policy",
  "payments_url",
] as const;

/** Lists likewise. */
const LIST_FIELDS = ["relay_countries", "language_tags", "tags"] as const;

type TextField = (typeof TEXT_FIELDS)[number];
type ListField = (typeof LIST_FIELDS)[number];

export interface Limitation {
  readonly max_message_length: number;
  readonly max_subscriptions: number;
  readonly max_limit: number;
  readonly default_limit: number;
  readonly max_subid_length: number;
  readonly max_event_tags: number;
  readonly max_content_length: number;
  readonly created_at_lower_limit?: number;
  readonly created_at_upper_limit: number;
  readonly min_pow_difficulty: number;
  readonly auth_required: boolean;
  readonly payment_required: boolean;
  readonly restricted_writes: boolean;
}

export interface RelayInformation
  extends
    Readonly<Partial<Record<TextField, string>>>,
    Readonly<Partial<Record<ListField, readonly string[]>>> {
  /** The relay's own public key. */
  readonly self?: string;
  /** As the operator has written it. */
  readonly fees?: unknown;
  readonly nip29?: { readonly subgroups: boolean };
  /** The version of the protocol of NIP-77: a field of strfry's that clients look for. */
  readonly negentropy?: number;
  readonly retention?: readonly RetentionRule[];
  readonly supported_nips: readonly number[];
  readonly software: string;
  readonly version: string;
  readonly limitation: Limitation;
}

/** The settings with what admins have changed of the relay's texts (NIP-86) in their place. */
export function overlay(settings: Settings, texts: PublicControl["texts"]): Settings {
  const entries = Object.entries(texts).map(([name, text]) => [`info.${name}`, text] as const);
  return { ...settings, ...(Object.fromEntries(entries) as Partial<Settings>) };
}

/** `time` in seconds, null for ever; of a rule without kinds, all others. */
interface RetentionRule {
  readonly kinds?: readonly (number | readonly [first: number, last: number])[];
  readonly time: number | null;
}

/** The document, ready for JSON.stringify. Fields that the operator left empty are absent. */
export function relayInformation(settings: Settings, self: string | null = null): RelayInformation {
  const texts: Partial<Record<TextField, string>> = {};
  for (const field of TEXT_FIELDS) {
    const text = settings[`info.${field}`];
    if (text !== "") texts[field] = text;
  }
  const lists: Partial<Record<ListField, readonly string[]>> = {};
  for (const field of LIST_FIELDS) {
    const items = settings[`info.${field}`];
    if (items.length > 0) lists[field] = items;
  }
  const fees = settings["info.fees"];
  return {
    ...texts,
    ...(self === null ? {} : { self }),
    ...lists,
    ...(fees === "" ? {} : { fees: JSON.parse(fees) as unknown }),
    ...(settings["groups.enabled"] ? { nip29: { subgroups: true } } : {}),
    ...(settings["negentropy.enabled"] ? { negentropy: 1 } : {}),
    supported_nips: SUPPORTED_NIPS.filter(({ isOn }) => isOn(settings)).map(({ nip }) => nip),
    software: SOFTWARE,
    version: VERSION,
    limitation: limitationOf(settings),
    ...retentionOf(settings),
  };
}

/** The field that NIP-11 once had; many clients know it. Absent when all is kept for ever. */
function retentionOf(settings: Settings): { retention?: RetentionRule[] } {
  const rules: RetentionRule[] = [];
  for (const item of settings["store.retention_kinds"]) {
    const parsed = parseKindNumber(item);
    if (parsed === null) continue;
    rules.push({ kinds: [kindsOfRange(parsed.range)], time: parsed.number || null });
  }
  const seconds = settings["store.retention_s"];
  if (seconds > 0) {
    const kinds = keptKinds(settings).map(kindsOfRange);
    rules.push({ kinds, time: null }, { time: seconds });
  }
  return rules.length === 0 ? {} : { retention: rules };
}

/** As the field `retention` has them: a number, or a range. */
function kindsOfRange(range: readonly [number, number]): number | readonly [number, number] {
  return range[0] === range[1] ? range[0] : range;
}

function limitationOf(settings: Settings): Limitation {
  const behindS = settings["events.created_at_behind_s"];
  return {
    // Both count bytes of UTF-8, from "[" to "]".
    max_message_length: settings["relay.message_bytes_max"],
    max_subscriptions: settings["relay.subscriptions_max"],
    // What a limit is lowered to. The events that tie with the last one (relay.limit_ties_max) come
    // on top, but a client cannot ask for them.
    max_limit: settings["relay.limit_max"],
    default_limit: settings["relay.limit_default"],
    max_subid_length: SUBSCRIPTION_ID_LENGTH_MAX,
    max_event_tags: settings["events.tags_max"],
    // NIP-11 counts characters, our bounds count bytes, of which a character takes one to four. The
    // number of bytes is the most characters that can pass; a smaller one would keep clients from
    // sending plain ASCII that fits. The bound of the event holds for what is in it.
    max_content_length: Math.min(
      settings["events.content_bytes_max"],
      settings["events.bytes_max"],
    ),
    // Seconds before and after now, as relays and the example of NIP-11 have it. Without a lower
    // bound there is no number to give: 0 would read as "nothing older than now".
    ...(behindS > 0 ? { created_at_lower_limit: behindS } : {}),
    created_at_upper_limit: settings["events.created_at_ahead_s"],
    // Of kinds that have no difficulty of their own (events.pow_kinds).
    min_pow_difficulty: settings["events.pow_min"],
    // "before a new connection may perform any other action"
    auth_required:
      (settings["auth.read"] || settings["access.read"] === "members") && settings["auth.write"],
    payment_required: settings["info.payment_required"],
    // "some kind of condition to be fulfilled to accept events"
    restricted_writes:
      settings["auth.write"] ||
      settings["access.write"] === "members" ||
      settings["info.payment_required"] ||
      settings["events.pow_min"] > 0 ||
      settings["events.pow_kinds"].length > 0,
  };
}
