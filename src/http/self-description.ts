// What the relay publishes of itself, when it is told to (NIP-66): a relay discovery event for each
// of its addresses, made from the relay information document, and the announcement that it does so;
// for those who read this key's events, a profile and the relay that has them. Pure.

import type { Settings } from "../config/options.ts";
import type { Control, PublicControl } from "../policy/control.ts";
import type { Utterance } from "../store/relay-events.ts";
import { overlay, type RelayInformation, relayInformation } from "./relay-information.ts";

const KIND_PROFILE = 0;
const KIND_RELAY_LIST = 10002;
const KIND_MONITOR = 10166;
const KIND_DISCOVERY = 30166;

const NETWORKS: readonly (readonly [suffix: string, network: string])[] = [
  [".onion", "tor"],
  [".i2p", "i2p"],
  [".loki", "loki"],
];

/** `self`: the relay's own public key, which stands for an address where none is configured. */
export function describeSelf(
  settings: Settings,
  texts: PublicControl["texts"],
  self: string,
  control: Pick<Control, "allowedKinds" | "disallowedKinds">,
): Utterance[] {
  const information = relayInformation(overlay(settings, texts), self);
  const frequency = String(settings["monitor.publish_interval_s"]);
  const addresses = settings["relay.urls"].map(normalizeUrl);
  const shared = [...nipTags(information), ...requirementTags(information), ...kindTags(control)];
  const content = JSON.stringify(information);
  return [
    { kind: KIND_PROFILE, tags: [], content: JSON.stringify(profileOf(information)) },
    ...(addresses.length === 0
      ? []
      : [{ kind: KIND_RELAY_LIST, tags: addresses.map((url) => ["r", url]), content: "" }]),
    {
      kind: KIND_MONITOR,
      tags: [
        ["frequency", frequency],
        ["c", "nip11"],
      ],
      content: "",
    },
    ...(addresses.length > 0 ? addresses : [self]).map((address) => ({
      kind: KIND_DISCOVERY,
      tags: [["d", address], ...networkTags(address), ...shared],
      content,
    })),
  ];
}

/** RFC 3986, 6; as a WebSocket address. */
function normalizeUrl(text: string): string {
  return (URL.parse(text)?.href ?? text).replace(/^http/, "ws");
}

function profileOf({ name, description, icon }: RelayInformation): Record<string, string> {
  return {
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { about: description }),
    ...(icon === undefined ? {} : { picture: icon }),
  };
}

function networkTags(address: string): string[][] {
  const { hostname } = URL.parse(address) ?? {};
  if (hostname === undefined) return [];
  const network = NETWORKS.find(([suffix]) => hostname.endsWith(suffix))?.[1] ?? "clearnet";
  return [["n", network]];
}

function nipTags({ supported_nips }: RelayInformation): string[][] {
  return supported_nips.map((nip) => ["N", String(nip)]);
}

/** False ones with a "!". */
function requirementTags({ limitation }: RelayInformation): string[][] {
  const requirements = [
    ["auth", limitation.auth_required],
    ["writes", limitation.restricted_writes],
    ["pow", limitation.min_pow_difficulty > 0],
    ["payment", limitation.payment_required],
  ] as const;
  return requirements.map(([name, isOn]) => ["R", isOn ? name : `!${name}`]);
}

function kindTags(control: Pick<Control, "allowedKinds" | "disallowedKinds">): string[][] {
  const allowed = [...control.allowedKinds].map((kind) => ["k", String(kind)]);
  return [...allowed, ...[...control.disallowedKinds].map((kind) => ["k", `!${kind}`])];
}
