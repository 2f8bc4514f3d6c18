// The router's counters and states as metrics, by stream and relay. Pure.

import { encodeMetrics, type Metric } from "../http/prometheus.ts";
import { PEER_STATES, type PeerCounters, type PeerStatus } from "./peer-counters.ts";
import { withoutSecrets } from "./without-secrets.ts";

interface CounterMetric {
  readonly name: string;
  readonly help: string;
  readonly counter: keyof PeerCounters;
}

const COUNTERS: readonly CounterMetric[] = [
  { name: "received_events", help: "Events that came from the relay", counter: "received" },
  { name: "stored_events", help: "Of those, stored", counter: "stored" },
  { name: "duplicate_events", help: "Of those, here already", counter: "duplicate" },
  { name: "refused_events", help: "Of those, refused here or by pluginDown", counter: "refused" },
  { name: "sent_events", help: "EVENTs sent to the relay, repeats included", counter: "sent" },
  { name: "accepted_events", help: "Of those, taken there", counter: "accepted" },
  { name: "duplicate_there_events", help: "Of those, there already", counter: "duplicateThere" },
  { name: "refused_there_events", help: "Of those, refused there", counter: "refusedThere" },
  {
    name: "held_back_events",
    help: "Events not sent: protected, or refused by pluginUp",
    counter: "held",
  },
  { name: "connections", help: "Connections that were made", counter: "connections" },
  { name: "failures", help: "Connections that broke or were not made", counter: "failures" },
  { name: "catch_ups", help: "Catch-ups", counter: "catchUps" },
  { name: "received_bytes", help: "Messages, before compression", counter: "receivedBytes" },
  { name: "sent_bytes", help: "Messages, before compression", counter: "sentBytes" },
];

export function encodeRouterMetrics(all: readonly PeerStatus[]): string {
  const seen = new Map<string, number>();
  const statuses = all.map((one) => ({ ...one, labels: labelsOf(one, seen) }));
  const counters: Metric[] = COUNTERS.map(({ name, help, counter }) => ({
    name: `nandu_router_${name}_total`,
    help: `${help}.`,
    type: "counter",
    samples: statuses.map((one) => ({ labels: one.labels, value: one.counters[counter] })),
  }));
  const states: Metric = {
    name: "nandu_router_state",
    help: "1 for the state that the connection to the relay is in.",
    type: "gauge",
    samples: statuses.flatMap((one) =>
      PEER_STATES.map((state) => ({
        labels: { ...one.labels, state },
        value: one.state === state ? 1 : 0,
      })),
    ),
  };
  const since: Metric = {
    name: "nandu_router_state_since_timestamp_seconds",
    help: "When the connection came into its state.",
    type: "gauge",
    samples: statuses.map((one) => ({ labels: one.labels, value: one.since })),
  };
  return encodeMetrics([states, since, ...counters]);
}

/** Addresses that differ only in what isn't shown are numbered: no two series may be the same. */
function labelsOf({ stream, url }: PeerStatus, seen: Map<string, number>): Record<string, string> {
  const shown = withoutSecrets(url);
  const key = JSON.stringify([stream, shown]);
  const number = (seen.get(key) ?? 0) + 1;
  seen.set(key, number);
  return { stream, url: number === 1 ? shown : `${shown} #${number}` };
}
