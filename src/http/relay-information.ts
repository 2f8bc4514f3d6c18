// The relay information document (NIP-11), made from the settings in force, so that it says no more
// and no less than what the relay enforces. Pure; belongs to no thread.

import type { Settings } from "../config/options.ts";
import { searchKinds } from "../store/search-kinds.ts";
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
  { nip: 9, isOn: () => true },
  { nip: 11, isOn: () => true },
  { nip: 40, isOn: () => true },
  { nip: 45, isOn: (settings) => settings["relay.count_max"] > 0 },
  { nip: 50, isOn: (settings) => searchKinds(settings).size > 0 },
  { nip: 67, isOn: () => true },
];

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
] as const;

type TextField = (typeof TEXT_FIELDS)[number];

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

export interface RelayInformation extends Readonly<Partial<Record<TextField, string>>> {
  readonly supported_nips: readonly number[];
  readonly software: string;
  readonly version: string;
  readonly limitation: Limitation;
}

/** The document, ready for JSON.stringify. Text fields that the operator left empty are absent. */
export function relayInformation(settings: Settings): RelayInformation {
  const texts: Partial<Record<TextField, string>> = {};
  for (const field of TEXT_FIELDS) {
    const text = settings[`info.${field}`];
    if (text !== "") texts[field] = text;
  }
  return {
    ...texts,
    supported_nips: SUPPORTED_NIPS.filter(({ isOn }) => isOn(settings)).map(({ nip }) => nip),
    software: SOFTWARE,
    version: VERSION,
    limitation: limitationOf(settings),
  };
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
    // Anybody may read and write.
    min_pow_difficulty: 0,
    auth_required: false,
    payment_required: false,
    restricted_writes: false,
  };
}
