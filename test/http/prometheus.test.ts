// Metrics in Prometheus' text format, byte by byte, and as the tests' own reader understands them.

import { expect, test } from "bun:test";
import { encodeMetrics, type Metric } from "../../src/http/prometheus.ts";
import { encodeRouterMetrics } from "../../src/mesh/router-metrics.ts";
import { makeCounters } from "../../src/mesh/peer-counters.ts";
import { parseMetrics } from "../support/metrics.ts";

const METRICS: Metric[] = [
  { name: "a_total", help: "Of a\\b\nc.", type: "counter", samples: [{ labels: {}, value: 3 }] },
  { name: "none", help: "Nothing.", type: "gauge", samples: [] },
  {
    name: "b_seconds",
    help: "B.",
    type: "gauge",
    samples: [
      { labels: { x: 'q"\\\n', y: "é" }, value: 1.5 },
      { labels: { x: "2", y: "" }, value: 2 ** 53 },
    ],
  },
];

test("help, type, samples; labels escaped; metrics without samples left out", () => {
  const text = encodeMetrics(METRICS);
  expect(text).toBe(
    "# HELP a_total Of a\\\\b\\nc.\n" +
      "# TYPE a_total counter\n" +
      "a_total 3\n" +
      "# HELP b_seconds B.\n" +
      "# TYPE b_seconds gauge\n" +
      'b_seconds{x="q\\"\\\\\\n",y="é"} 1.5\n' +
      'b_seconds{x="2",y=""} 9007199254740992\n',
  );
  expect([...parseMetrics(text).values()]).toEqual([3, 1.5, 2 ** 53]);
});

test("the router's: each counter and the state, by stream and relay", () => {
  const peer = { url: 'wss://x/"', since: 5, state: "live" } as const;
  const counters = { ...makeCounters(), stored: 7, sentBytes: 1e21 };
  const text = encodeRouterMetrics([
    { ...peer, stream: "a", counters },
    { ...peer, stream: "b", counters: makeCounters() },
  ]);
  const samples = parseMetrics(text);
  const labels = '{stream="a",url="wss://x/\\""';
  expect(samples.get(`nandu_router_stored_events_total${labels}}`)).toBe(7);
  expect(samples.get(`nandu_router_sent_bytes_total${labels}}`)).toBe(1e21);
  expect(samples.get(`nandu_router_state${labels},state="live"}`)).toBe(1);
  expect(samples.get(`nandu_router_state${labels},state="waiting"}`)).toBe(0);
  expect(samples.size).toBe(2 * (Object.keys(counters).length + 4 + 1));
  expect(encodeRouterMetrics([])).toBe("");
});

test("the router's: of an address no password and no token, and still each has its own", () => {
  const peer = { stream: "a", since: 5, state: "live", counters: makeCounters() } as const;
  const urls = ["wss://me:secret@x/?token=secret", "wss://x/?token=other", "wss://y"];
  const text = encodeRouterMetrics(urls.map((url) => ({ ...peer, url })));
  const shown = new Set([...text.matchAll(/url="([^"]*)"/g)].map(([, url]) => url));
  expect([...shown]).toEqual(["wss://x/?…", "wss://x/?… #2", "wss://y"]);
  parseMetrics(text); // which refuses a sample that is there twice
});

test.each([
  ["a 1", "the last line has no end"],
  ["a 1\n", "without its head: a 1"],
  ["# HELP a x\n# TYPE a gauge\na{b=5} 1\n", "no sample: a{b=5} 1"],
  ["# HELP a x\n# TYPE a counter\na 1\n", "misnamed: # TYPE a counter"],
  ["# HELP a x\n# TYPE a gauge\na 1\na 2\n", "a second time: a 2"],
])("the reader of the tests refuses %j", (text, message) => {
  expect(() => parseMetrics(text)).toThrow(message);
});
