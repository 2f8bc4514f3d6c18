// `nandu stream`, beside a relay that runs: what is new there comes here, and the other way round.

import { afterAll, beforeAll, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client } from "../support/client.ts";
import { EventFactory } from "../support/events.ts";
import { FakeRelay } from "../support/fake-relay.ts";
import { RelayProcess } from "../support/relay-process.ts";
import { RunningCommand } from "../support/running-command.ts";
import { newestFirst, nowSeconds } from "../support/topic.ts";
import { reportOf } from "../support/transfer-output.ts";

const factory = new EventFactory(13);
let relay: RelayProcess;
let client: Client;

beforeAll(async () => {
  relay = await RelayProcess.start();
  client = await Client.connect(relay.url);
  client.send("REQ", "live", { limit: 0 });
  await client.find("EOSE", "live");
});

afterAll(async () => {
  client.close();
  await relay.stop();
});

let made = 0;

/** Each a second later than the one before. */
function make(kind = 1): NostrEvent {
  made += 1;
  return factory.makeDistinct({ kind, tags: [], created_at: nowSeconds() - 60 + made });
}

function stream(url: string, ...flags: string[]): RunningCommand {
  return new RunningCommand("stream", `--data-dir=${relay.dataDir}`, ...flags, url);
}

test("both ways, without an echo, and what is older stays where it is", async () => {
  const [old, here, there, last] = [make(), make(), make(), make()];
  using other = new FakeRelay([old]);
  await using command = stream(other.url, "--dir=both");
  await command.says("receiving what is new");
  await command.says("sending what is new");
  other.publish(there);
  await client.find("EVENT", "live", there);
  await client.publish(here);
  await other.has(here);
  other.publish(last); // comes after the answer to what was sent
  await client.find("EVENT", "live", last);
  const { code, stderr } = await command.end();
  expect([code, reportOf(stderr).split("\n").toSorted()]).toEqual([
    0,
    [
      "",
      "  1 taken",
      "  2 stored",
      "down: 2 events",
      "nandu: receiving what is new",
      "nandu: sending what is new",
      "up: 1 events",
    ],
  ]);
  expect(other.events).toEqual([old, there, here, last]);
});

test("a relay that has been live, and takes nothing while it starts, is tried again", async () => {
  const missed = make();
  using other = new FakeRelay([], { refusesReqs: [2] });
  await using command = stream(other.url, "--filter", '{"kinds":[1]}');
  await command.says("receiving what is new");
  other.dropAll();
  other.publish(missed);
  await command.says("receiving what is new", 2);
  await client.find("EVENT", "live", missed);
  const { code, stderr } = await command.end();
  expect(code).toBe(0);
  const live = "nandu: receiving what is new\n";
  const refused = "nandu: it refused the request: error: starting: again\n";
  expect(reportOf(stderr)).toStartWith(
    `${live}nandu: the connection was closed (1006): again\n${refused}${live}`,
  );
});

test("what is published while the connection is down comes when it is back", async () => {
  const [first, missed, later] = [make(), make(), make()];
  const unwanted = make(7);
  using other = new FakeRelay([make()], { limit: 1 });
  await using command = stream(other.url, "--filter", '{"kinds":[1]}');
  await command.says("receiving what is new");
  other.publish(unwanted);
  other.publish(first);
  await client.find("EVENT", "live", first);
  other.dropAll();
  other.publish(missed);
  await command.says("receiving what is new", 2);
  other.closeAll("error: restarting");
  await command.says("receiving what is new", 3);
  other.publish(later);
  await Promise.all([missed, later].map((event) => client.find("EVENT", "live", event)));
  const { code, stderr } = await command.end("SIGTERM");
  expect(code).toBe(0);
  const live = "nandu: receiving what is new\n";
  expect(reportOf(stderr)).toStartWith(
    `${live}nandu: the connection was closed (1006): again\n${live}` +
      `nandu: it refused the request: error: restarting: again\n${live}`,
  );
  const stored = await client.query({ ids: [first, missed, later, unwanted].map(({ id }) => id) });
  expect(stored).toEqual(newestFirst([first, missed, later]));
});
