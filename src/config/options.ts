// The one table of options: the file, the environment, the flags, the generated documentation and
// the type Settings all follow from it. Pure and constant; belongs to no thread.
// A name is its dotted path in the file: lower case, words joined by "_", unit last. Sizes and
// durations are plain integers in the unit stated. Options that aren't marked reloadable take
// effect when the process starts.

import { boolean, choice, integer, list, string } from "./option.ts";
import type { OptionTable, ValueOf } from "./option.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const DAY_S = 86_400;
/** Far enough to mean "any", near enough that a sum with the clock stays a safe integer. */
const CENTURY_S = 36_525 * DAY_S;

export const OPTIONS = {
  data_dir: string({ default: "./data", form: "filled" })`
    The folder of the database, created if it does not exist. A relative path starts from the
    working directory.`,
  "log.level": choice({
    default: "info",
    choices: ["debug", "info", "warn", "error"],
    reloadable: true,
  })`
    The least important messages that are still logged.`,

  "relay.host": string({ default: "127.0.0.1", form: "filled" })`
    The address to listen on. 0.0.0.0 means every IPv4 address of the machine, :: every IPv6 one
    as well.`,
  "relay.port": integer({ default: 7777, min: 0, max: 65_535 })`
    The TCP port to listen on. 0 takes any free one, which is printed.`,
  "relay.urls": list({ default: [], form: "relay" })`
    The addresses under which clients know the relay, such as wss://relay.example.com. A sign-in
    (NIP-42) and a request to vanish (NIP-62) must name one of them. Without any, only addresses
    count that mean this machine wherever they are used: localhost, and those of its interfaces.`,
  "relay.real_ip_header": string({ default: "", form: "header" })`
    The lower-case name of the header in which a reverse proxy passes the client's address, such
    as x-forwarded-for; empty means none. It is believed only when the peer is one of
    relay.trusted_proxies.`,
  "relay.trusted_proxies": list({ default: ["127.0.0.1/8", "::1/128"], form: "network" })`
    The addresses or networks (10.0.0.0/8) of the reverse proxies whose relay.real_ip_header is
    believed.`,
  "relay.key_file": string({ default: "" })`
    The file with the relay's own secret key, as hex or nsec, which must not be readable by all;
    made at the first start. Empty means relay.key in data_dir. Its public key is \`self\` in
    NIP-11.`,
  "relay.connections_max": integer({ default: 10_000, min: 1, max: 1_000_000 })`
    The most connections open at once; further ones are refused. The process needs as many open
    files.`,
  "relay.message_bytes_max": integer({ default: MIB, min: KIB, max: 16 * MIB, unit: "bytes" })`
    The largest message a client may send.`,
  "relay.subscriptions_max": integer({ default: 200, min: 1, max: 10_000 })`
    The most subscriptions open at once on a connection.`,
  "relay.filters_max": integer({ default: 100, min: 1, max: 10_000 })`
    The most filters in a REQ or a COUNT.`,
  "relay.filter_values_max": integer({ default: 20_000, min: 1, max: 1_000_000 })`
    The most values in a REQ: ids, authors, kinds and tag values of all its filters together.`,
  "relay.connection_filter_values_max": integer({ default: 50_000, min: 1, max: 10_000_000 })`
    The most values in all open subscriptions of a connection. A filter counts for 20 at least, for
    100 if it names no ids, authors or tags, and for 200 if it searches, or 100 a phrase; a tag's
    value counts once more for each 256 characters.`,
  "relay.total_filter_values_max": integer({ default: 2_000_000, min: 1, max: 1_000_000_000 })`
    The same over all connections; it bounds the memory of the live index, to about 1 GB by
    default.`,
  "relay.limit_default": integer({ default: 500, min: 1, max: 100_000, unit: "events" })`
    The limit of a filter that states none, unless it names more events than that by their ids. At
    most relay.limit_max.`,
  "relay.limit_max": integer({ default: 1000, min: 1, max: 100_000, unit: "events" })`
    The largest limit of a filter; a larger one is lowered to it.`,
  "relay.limit_ties_max": integer({ default: 500, min: 0, max: 100_000, unit: "events" })`
    How many events beyond the limit may be sent so that all events of the last second reached are
    in one answer, and a client that pages by time misses none.`,
  "relay.eose_hints": boolean({ default: true })`
    Whether EOSE says if there are more stored events (NIP-67). Some clients, Nostrify 0.54 among
    them, do not take an EOSE of three elements for one and wait on.`,
  "relay.count_max": integer({ default: 1_000_000, min: 0, max: 1_000_000_000, unit: "events" })`
    The largest count computed; counting stops there. 0 disables COUNT.`,
  "relay.idle_timeout_s": integer({ default: 120, min: 8, max: 960, unit: "s" })`
    How long a connection may be silent. A ping is sent shortly before, and a peer that does not
    answer it is dropped.`,
  "relay.outbound_bytes_max": integer({ default: 16 * MIB, min: KIB, max: GIB, unit: "bytes" })`
    A client that leaves this much unread is disconnected. At least relay.message_bytes_max.`,
  "relay.inflight_messages_max": integer({ default: 256, min: 1, max: 65_536 })`
    The most messages of a connection received and not yet answered; beyond it, reading from the
    connection pauses.`,
  "relay.inflight_bytes_max": integer({ default: 4 * MIB, min: KIB, max: GIB, unit: "bytes" })`
    The most bytes of a connection received and not yet answered; beyond it, reading from the
    connection pauses. At least relay.message_bytes_max.`,
  "relay.scan_bytes_max": integer({ default: 256 * KIB, min: KIB, max: GIB, unit: "bytes" })`
    The most bytes of stored events under way to one client; beyond it, the scan that feeds the
    client pauses.`,
  "relay.query_slice_ms": integer({ default: 10, min: 1, max: 1000, unit: "ms" })`
    How long one query may run before other queries have their turn.`,
  "relay.compression": choice({ default: "shared", choices: ["off", "shared", "dedicated"] })`
    Compression of messages (permessage-deflate). shared uses one compressor for all connections;
    dedicated gives each its own, which compresses better and costs about 225 KB a connection.`,
  "relay.compression_bytes_min": integer({ default: KIB, min: 0, max: 16 * MIB, unit: "bytes" })`
    Messages smaller than this are sent uncompressed.`,
  "relay.shutdown_deadline_s": integer({ default: 10, min: 0, max: 3600, unit: "s" })`
    How long work under way may take to finish after SIGTERM or SIGINT before the process exits
    anyway.`,
  "relay.drain_deadline_s": integer({ default: 3600, min: 0, max: 30 * DAY_S, unit: "s" })`
    How long after SIGUSR1, which stops new connections, the open ones may stay before they are
    closed.`,

  "auth.read": boolean({ default: false })`
    Whether clients must sign in (NIP-42) before they read anything.`,
  "auth.write": boolean({ default: false })`
    Whether clients must sign in (NIP-42) before they publish anything.`,
  "auth.read_kinds": list({ default: [], form: "kinds" })`
    Kinds, and ranges of kinds, that only clients who have signed in may read, with whatever key.`,
  "auth.write_kinds": list({ default: [], form: "kinds" })`
    Kinds, and ranges of kinds, that only clients who have signed in may publish, with whatever
    key.`,
  "auth.private_kinds": list({ default: ["4", "1059", "21059"], form: "kinds" })`
    Kinds, and ranges of kinds, whose events only their author and the keys in their p tags may
    read, once signed in (NIP-04, NIP-17, NIP-59).`,
  "auth.keys_max": integer({ default: 16, min: 1, max: 1000 })`
    The most keys that one connection may sign in with.`,

  "info.name": string({ default: "nandu" })`
    The name of the relay, as clients show it (NIP-11).`,
  "info.description": string({ default: "A nandu relay." })`
    What the relay is for, in a sentence or a few (NIP-11).`,
  "info.pubkey": string({ default: "", form: "pubkey" })`
    The operator's public key as 64 lower-case hex digits, or empty (NIP-11).`,
  "info.contact": string({ default: "" })`
    Another way to reach the operator, such as mailto:relay@example.com (NIP-11).`,
  "info.icon": string({ default: "" })`
    The address of a square picture for the relay (NIP-11).`,
  "info.banner": string({ default: "" })`
    The address of a wide picture for the relay (NIP-11).`,
  "info.terms_of_service": string({ default: "" })`
    The address of the terms of service (NIP-11).`,
  "info.posting_policy": string({ default: "" })`
    The address of the rules for what may be posted (NIP-11).`,
  "info.privacy_policy": string({ default: "" })`
    The address of the privacy policy (NIP-11).`,

  "info.payments_url": string({ default: "" })`
    The address where fees are paid (NIP-11).`,
  "info.fees": string({ default: "", form: "json" })`
    The fees, as NIP-11 has them, in JSON:
    {"admission":[{"amount":1000000,"unit":"msats"}]}.`,
  "info.payment_required": boolean({ default: false })`
    What NIP-11 says of payments; asking for them is up to whoever admits members.`,
  "info.relay_countries": list({ default: [] })`
    The countries whose law the relay is under, as two-letter codes (NIP-11).`,
  "info.language_tags": list({ default: [] })`
    The main languages spoken on the relay, as IETF tags such as en or pt-BR (NIP-11).`,
  "info.tags": list({ default: [] })`
    What the relay is about, in single words such as sfw-only or bitcoin-only (NIP-11).`,

  "admin.pubkeys": list({ default: [], form: "pubkey" })`
    The keys that may manage the relay over HTTP (NIP-86), besides info.pubkey. With none of both,
    and no moderators, there is no management over HTTP.`,
  "admin.moderators": list({ default: [], form: "pubkey" })`
    The keys that may ban and allow keys and events over HTTP (NIP-86), and nothing else.`,

  "access.write": choice({ default: "anyone", choices: ["anyone", "members"] })`
    Who may publish. members: those that are allowed by NIP-86, by \`nandu member\` or an invite
    (NIP-43), and those that manage the relay. What a member passes on for others counts as well,
    once the member has signed in (NIP-42).`,
  "access.read": choice({ default: "anyone", choices: ["anyone", "members"] })`
    Who may read. members: as for access.write, signed in (NIP-42).`,
  "access.invites": choice({ default: "members", choices: ["off", "admins", "members"] })`
    Who gets an invite code for asking, signed in, where access is for members (NIP-43, kind
    28935).`,
  "access.invite_uses": integer({ default: 1, min: 1, max: 1_000_000 })`
    How many may join by one invite code, unless \`nandu invite create\` says otherwise.`,
  "access.invite_lifetime_s": integer({ default: 7 * DAY_S, min: 60, max: CENTURY_S, unit: "s" })`
    How long an invite code is good, unless \`nandu invite create\` says otherwise.`,
  "access.publish_members": boolean({ default: true })`
    Whether the relay publishes who its members are, who comes and goes, and the roles, signed by
    its own key (NIP-43, kinds 13534, 8000, 8001, 33534), whenever that changes.`,

  "monitor.publish_interval_s": integer({ default: 0, min: 0, max: 30 * DAY_S, unit: "s" })`
    How often the relay publishes its own description by its own key, at its start as well (NIP-66,
    kinds 30166 and 10166). 0 means never.`,

  "events.bytes_max": integer({ default: 256 * KIB, min: KIB, max: 16 * MIB, unit: "bytes" })`
    The largest event accepted, as JSON. At most relay.message_bytes_max.`,
  "events.tags_max": integer({ default: 5000, min: 0, max: 1_000_000 })`
    The most tags of an event.`,
  "events.tag_value_bytes_max": integer({
    default: 64 * KIB,
    min: 64,
    max: 16 * MIB,
    unit: "bytes",
  })`
    The longest single string in a tag of an event.`,
  "events.content_bytes_max": integer({
    default: 256 * KIB,
    min: 0,
    max: 16 * MIB,
    unit: "bytes",
  })`
    The longest content of an event.`,
  "events.created_at_ahead_s": integer({ default: 900, min: 0, max: CENTURY_S, unit: "s" })`
    How far in the future the created_at of an event may lie.`,
  "events.created_at_behind_s": integer({ default: 0, min: 0, max: CENTURY_S, unit: "s" })`
    How far in the past the created_at of an event may lie. 0 means any.`,

  "events.pow_min": integer({ default: 0, min: 0, max: 256 })`
    The least proof of work of an event (NIP-13), in leading zero bits of its id; its nonce tag
    must commit to as much. 0 asks for none.`,
  "events.pow_kinds": list({ default: [], form: "kind-number" })`
    The same for single kinds or ranges of kinds, such as 1:20 or 7:0, before events.pow_min.`,

  "search.kinds": list({
    default: "0 1 11 20-22 42 1063 1111 9802 30023 30402 30818 34550".split(" "),
    form: "kinds",
  })`
    Kinds, and ranges of kinds, whose words can be searched (NIP-50); 256 at most. Others are not
    found by a search, and private ones never. When the list changes, the index is made anew in the
    background. Empty means no search.`,

  "negentropy.enabled": boolean({ default: true })`
    Whether clients and other relays can sync (NIP-77).`,
  "negentropy.items_max": integer({ default: 1_000_000, min: 1, max: 100_000_000 })`
    The most events in a sync, and in all that a connection has open together. Each takes about 41
    bytes of memory while the sync is open, and twice that while they are read. Syncs by running
    sums (nandu negentropy) are as large as they like; only private events of one's own count.`,
  "negentropy.sessions_max": integer({ default: 8, min: 1, max: 10_000 })`
    The most syncs open at once on a connection.`,
  "negentropy.total_items_max": integer({ default: 5_000_000, min: 1, max: 1_000_000_000 })`
    The most events in the open syncs of all connections; about 200 MB by default. Syncs by running
    sums count for what they have read lately, some tens of thousands at most, as a rule. Each
    thread for syncs has its share of it.`,
  "negentropy.idle_timeout_s": integer({ default: 120, min: 1, max: DAY_S, unit: "s" })`
    How long a sync waits for its client's next message before it is closed.`,

  "router.file": string({ default: "" })`
    The router's file: streams with other relays that the relay itself keeps up, as \`nandu router\`
    does. It is read again when it changes. Empty means none.`,

  "metrics.networks": list({ default: [], form: "network" })`
    The addresses or networks that may read the relay's metrics, at /metrics in the text format of
    Prometheus; for all others there is no such page. Empty means nobody. Behind a reverse proxy on
    the same machine everybody comes from 127.0.0.1, unless relay.real_ip_header is set.`,

  "groups.enabled": boolean({ default: false })`
    Whether the relay hosts groups (NIP-29): events with an h tag are then subject to the rules of
    the group it names, and the relay publishes what its groups are, by its own key.`,
  "groups.create": choice({ default: "anyone", choices: ["anyone", "members", "admins"] })`
    Who may create a group: anyone, members of the relay and its admins, or its admins only. The
    creator becomes the group's admin.`,
  "groups.foreign": choice({ default: "refuse", choices: ["refuse", "accept"] })`
    What becomes of an event whose h tag names no group of this relay: refused, or stored as an
    event of no group. What manages a group is refused in either case.`,
  "groups.late_publication_s": integer({ default: 600, min: 0, max: CENTURY_S, unit: "s" })`
    How long ago an event of a group may have been made. 0 means any time, for groups that move
    here from elsewhere.`,
  "groups.previous_min": integer({ default: 0, min: 0, max: 50 })`
    How many timeline references a message to a group must have: NIP-29 recommends 3, but few
    clients send any. Those to events that are not here are refused in any case.`,
  "groups.groups_max": integer({ default: 1000, min: 0, max: 100_000 })`
    The most groups. Each thread keeps all of them in memory, some 150 bytes a member.`,
  "groups.members_max": integer({ default: 2000, min: 1, max: 10_000 })`
    The most members of a group. Kind 39002 lists the first 2,000; it is written anew whenever one
    comes or goes.`,
  "groups.invites_max": integer({ default: 500, min: 0, max: 10_000 })`
    The most invite codes of a group. They are good until the event that made them is deleted.`,
  "groups.pins_max": integer({ default: 50, min: 0, max: 500 })`
    The most pinned events of a group.`,

  "mesh.socks": string({ default: "", form: "socks" })`
    The SOCKS5 server by which onion services are reached, such as Tor's 127.0.0.1:9050, if need be
    with USER:PASSWORD@ before it. Names are left to it. Empty means none.`,
  "mesh.socks_for": choice({ default: "onion", choices: ["onion", "all"] })`
    What else mesh.socks is for: onion services only, or all other relays, but for those that
    NO_PROXY names.`,

  "store.synchronous": choice({ default: "full", choices: ["off", "normal", "full"] })`
    How durable an accepted event is. full: it survives a power failure; normal: it survives a
    crash of the process, but a power failure may lose the last ones; off: a power failure may
    also damage the database.`,
  "store.cache_bytes": integer({ default: 32 * MIB, min: 0, max: 64 * GIB, unit: "bytes" })`
    The page cache of the connection that writes to the database, and of each one that reads.`,
  "store.mmap_bytes": integer({ default: 2 * GIB, min: 0, max: 2 * GIB, unit: "bytes" })`
    How much of the database file each reader maps into memory, so that reading what the system has
    cached copies nothing. Counts as resident memory of each, but it is the same, and the system's
    to take back. 0 means none.`,
  "store.batch_events_max": integer({ default: 1000, min: 1, max: 100_000, unit: "events" })`
    The most events written in one transaction.`,
  "store.tail_events": integer({ default: 16_384, min: 1, max: 1_000_000, unit: "events" })`
    The index rows of so many of the newest events are kept in memory, by each thread that needs
    them, before they are moved into the index on disk. About 500 bytes an event and thread. Those
    with very many tags count for more than one.`,
  "store.checkpoint_pages": integer({ default: 4000, min: 1, max: 1_000_000, unit: "pages" })`
    After how many pages, of 8 KiB each, the write-ahead log is copied into the database file.`,
  "store.history_entries": integer({ default: 100_000, min: 0, max: 100_000_000 })`
    How many removals and refusals of events are remembered, for nandu why to tell. About 150 bytes
    each. 0 means none.`,
  "store.retention_s": integer({ default: 0, min: 0, max: CENTURY_S, unit: "s" })`
    How long events are kept after their created_at. Older ones are refused, and removed within an
    hour. Deletions, requests to vanish and what groups are made of are kept for ever. 0 keeps
    all.`,
  "store.retention_kinds": list({ default: [], form: "kind-number" })`
    The same for single kinds or ranges of kinds, such as 7:2592000 or 0:0, before
    store.retention_s.`,
  "store.expire_interval_s": integer({ default: 5, min: 1, max: DAY_S, unit: "s" })`
    How often expired events are removed from disk. They are never served once expired.`,

  "threads.ingester": integer({ default: 0, min: 0, max: 64 })`
    Threads that check incoming messages, ids and signatures. 0 derives it from the number of
    cores.`,
  "threads.reader": integer({ default: 0, min: 0, max: 64 })`
    Threads that answer from stored events. 0 derives it from the number of cores.`,
  "threads.monitor": integer({ default: 0, min: 0, max: 64 })`
    Threads that match new events with open subscriptions. 0 derives it from the number of cores.`,
  "threads.negentropy": integer({ default: 0, min: 0, max: 64 })`
    Threads that answer syncs. 0 derives it from the number of cores.`,
} as const satisfies OptionTable;

export type OptionName = keyof typeof OPTIONS;

/** Every option with its value, under its dotted name. */
export type Settings = { readonly [N in OptionName]: ValueOf<(typeof OPTIONS)[N]> };

/** The names in the order of the table, which is also the order of everything generated. */
export const OPTION_NAMES: readonly OptionName[] = Object.keys(OPTIONS).filter(isOptionName);

export function isOptionName(name: string): name is OptionName {
  return Object.hasOwn(OPTIONS, name);
}

/** Every option at its default: what is in force without a file, environment or flags. */
export function defaultSettings(): Settings {
  const entries = OPTION_NAMES.map((name) => [name, OPTIONS[name].default] as const);
  // The table gives each name a default of its own type, which fromEntries can't express.
  return Object.freeze(Object.fromEntries(entries)) as Settings;
}
