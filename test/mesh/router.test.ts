// The router's streams, with relays that have the habits of bad ones.

import { describe, expect, test } from "bun:test";
import { chmodSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { authorKey, EventFactory } from "../support/events.ts";
import { FakeRelay, type Habits } from "../support/fake-relay.ts";
import { TestRouter } from "../support/test-router.ts";
import { newestFirst, nowSeconds } from "../support/topic.ts";

const factory = new EventFactory(14);
let made = 0;

/** Each a second later than the one before, and all younger than what is asked for again. */
function make(kind = 1, tags: string[][] = []): NostrEvent {
  made += 1;
  return factory.makeDistinct({ kind, tags, author: 1, created_at: nowSeconds() - 60 + made });
}

/** It has no NIP-77, and keeps the ids of all EVENTs that it gets. */
class Peer extends FakeRelay {
  readonly arrived: string[];

  constructor(events: readonly NostrEvent[], habits: Habits = {}) {
    const arrived: string[] = [];
    super(events, {
      answerToOther: () => ["NOTICE", "unknown message"],
      ...habits,
      refuses: (event) => {
        arrived.push(event.id);
        return habits.refuses?.(event) ?? null;
      },
    });
    this.arrived = arrived;
  }

  /** What is asked for, without the ids of subscriptions. */
  get requests(): unknown[] {
    return this.messages.filter(([type]) => type === "REQ").map(([, , ...filters]) => filters);
  }
}

function stream(peers: readonly FakeRelay[], more = "", dir = "both", name = "a"): string {
  const urls = peers.map(({ url }) => `"${url}"`).join(" ");
  return `${name} { dir = "${dir}" urls = [ ${urls} ] ${more} }`;
}

const idsOf = (events: readonly NostrEvent[]): string[] => events.map(({ id }) => id);

describe("a relay that can't compare", () => {
  test("gets and gives all at first, then what is new, and nothing comes back", async () => {
    const [here, there, newHere, newThere] = [make(), make(), make(), make()];
    using peer = new Peer([there]);
    await using router = new TestRouter([here]);
    router.start(stream([peer]));
    await router.has(there);
    await peer.has(here);
    await router.reaches("live");
    peer.publish(newThere);
    await router.has(newThere);
    router.publish(newHere);
    await peer.has(newHere);
    expect(peer.arrived).toEqual(idsOf([here, newHere]));
    await router.until(() => router.counters(peer.url).accepted === 2);
    expect(router.counters(peer.url)).toMatchObject({ stored: 2, connections: 1 });
  });

  test("gets and gives what was missed once the connection is back, nothing twice", async () => {
    const [first, missedHere, missedThere] = [make(), make(), make()];
    using peer = new Peer([]);
    await using router = new TestRouter([first]);
    router.start(stream([peer]));
    await peer.has(first);
    await router.reaches("live");
    peer.dropAll();
    peer.publish(missedThere);
    router.publish(missedHere);
    await peer.has(missedHere);
    await router.has(missedThere);
    expect(peer.arrived).toEqual(idsOf([first, missedHere]));
  });

  test("goes on from where it was when the router starts again", async () => {
    const [first, second, foreign] = [make(), make(), make()];
    using peer = new Peer([foreign]);
    await using router = new TestRouter();
    const streams = stream([peer]);
    const before = router.start(streams);
    await router.has(foreign);
    await router.reaches("live");
    router.publish(first);
    await router.until(() => router.counters(peer.url).accepted === 1);
    await before.stop();
    router.publish(second);
    const from = peer.requests.length;
    router.start(streams);
    await peer.has(second);
    await router.reaches("live");
    expect(peer.arrived).toEqual(idsOf([first, second]));
    const [live, missed] = peer.requests.slice(from);
    expect(live).toEqual([{ limit: 0 }]);
    expect((missed as [{ since: number }])[0].since).toBeGreaterThan(nowSeconds() - 600);
  });

  test.each([
    ["torn", '{"format":1,"cursors":{"'],
    ["of another time", '{"format":2,"cursors":{}}'],
    ["nonsense", '{"format":1,"cursors":{"x":[{}],"y":null}}'],
  ])("is given all once more when the file of cursors is %s", async (_, text) => {
    const first = make();
    using peer = new Peer([]);
    await using router = new TestRouter([first]);
    const streams = stream([peer]);
    const before = router.start(streams);
    await peer.has(first);
    await router.reaches("live");
    await before.stop();
    const [name = ""] = readdirSync(router.dir.path).filter((one) => one.startsWith("router-"));
    writeFileSync(join(router.dir.path, name), text);
    router.start(streams);
    await router.until(() => peer.arrived.length === 2);
    expect(peer.arrived).toEqual(idsOf([first, first]));
    await router.until(() => router.counters(peer.url).duplicateThere === 1);
  });

  test("is asked for everything once more when the clock was ahead", async () => {
    using peer = new Peer([]);
    await using router = new TestRouter();
    const streams = stream([peer], "", "down");
    const before = router.start(streams);
    await router.reaches("live");
    await before.stop();
    const [name = ""] = readdirSync(router.dir.path).filter((one) => one.startsWith("router-"));
    const path = join(router.dir.path, name);
    const text = readFileSync(path, "utf8");
    const ahead = text.replace(/"down":\d+/, `"down":${nowSeconds() + 3600}`);
    expect(ahead).not.toBe(text);
    writeFileSync(path, ahead);
    router.start(streams);
    await router.reaches("live");
    expect(peer.requests.at(-1)).toEqual([{ limit: 500 }]);
  });

  test("isn't caught up with where that isn't wanted", async () => {
    const [here, there, newHere] = [make(), make(), make()];
    using peer = new Peer([there]);
    await using router = new TestRouter([here]);
    router.start(stream([peer], "catchUp = false"));
    await router.reaches("live");
    router.publish(newHere);
    await peer.has(newHere);
    expect(peer.arrived).toEqual([newHere.id]);
    expect(router.stored).toEqual(newestFirst([here, newHere]));
    expect(peer.requests).toEqual([[{ limit: 0 }]]);
  });
});

test("what comes from one relay of a stream goes to the others, and not back", async () => {
  const [event, last] = [make(), make()];
  using one = new Peer([]);
  using other = new Peer([]);
  await using router = new TestRouter();
  router.start(stream([one, other]));
  await router.reaches("live");
  one.publish(event);
  await other.has(event);
  router.publish(last);
  await Promise.all([one.has(last), other.has(last)]);
  expect([one.arrived, other.arrived]).toEqual([[last.id], idsOf([event, last])]);
});

describe("what the other relay says to an event", () => {
  test("later: it is sent again, and no other is lost meanwhile", async () => {
    const events = [make(), make(), make()];
    const tries = new Map<string, number>();
    using peer = new Peer([], {
      refuses: ({ id }) => {
        const count = (tries.get(id) ?? 0) + 1;
        tries.set(id, count);
        if (id === events[0]?.id && count === 1) return "rate-limited: slow down";
        if (id === events[1]?.id && count === 1) return "error: no disk";
        return null;
      },
    });
    await using router = new TestRouter(events);
    router.start(stream([peer]));
    for (const event of events) await peer.has(event);
    await router.until(() => router.counters(peer.url).accepted === 3);
    expect([...tries.values()].toSorted()).toEqual([1, 2, 2]);
  });

  test("no: it isn't sent again when the connection is back", async () => {
    const [unwanted, wanted, last] = [make(7), make(), make()];
    using peer = new Peer([], {
      refuses: ({ kind }) => (kind === 7 ? "blocked: no reactions" : null),
    });
    await using router = new TestRouter([unwanted, wanted]);
    router.start(stream([peer]));
    await peer.has(wanted);
    await router.until(() => router.counters(peer.url).refusedThere === 1);
    peer.dropAll();
    router.publish(last);
    await peer.has(last);
    expect(peer.arrived.filter((id) => id === unwanted.id)).toHaveLength(1);
  });
});

test("protected, expired and unmatched events are not sent", async () => {
  const expired = make(1, [["expiration", String(nowSeconds() - 5)]]);
  const [guarded, unmatched, wanted] = [make(1, [["-"]]), make(7), make()];
  using peer = new Peer([]);
  await using router = new TestRouter([expired, guarded, unmatched, wanted]);
  router.start(stream([peer], 'filter = { "kinds": [1] }'));
  await peer.has(wanted);
  expect(peer.arrived).toEqual([wanted.id]);
  expect(router.counters(peer.url).held).toBe(1);
});

test("what can't be stored just then is asked for again", async () => {
  const event = make();
  using peer = new Peer([event]);
  await using router = new TestRouter();
  router.faults.push("the disk is full");
  router.start(stream([peer], "", "down"));
  await router.has(event);
  expect(router.counters(peer.url)).toMatchObject({ failures: 1, connections: 2, stored: 1 });
});

test("a relay for members wants a sign-in, which the key file gives", async () => {
  const [here, there] = [make(), make()];
  using peer = new Peer([there], { needsSignIn: true });
  await using router = new TestRouter([here]);
  const keyFile = join(router.dir.path, "key");
  writeFileSync(keyFile, Buffer.from(authorKey(3).secret).toString("hex"), { mode: 0o600 });
  router.start(stream([peer], `keyFile = "${keyFile}"`));
  await router.has(there);
  await peer.has(here);
  const [auth] = peer.messages.filter(([type]) => type === "AUTH");
  expect(auth?.[1]).toMatchObject({ kind: 22_242, pubkey: authorKey(3).pubkey });
});

test("a relay that refuses is left alone for a while, and so is one that is none", async () => {
  using refusing = new Peer([], { needsSignIn: true });
  using broken = new Peer([], { answerToReq: "what?" });
  await using router = new TestRouter();
  router.start(stream([refusing, broken]));
  await router.reaches("waiting");
  for (const { url } of [refusing, broken]) {
    expect(router.counters(url)).toMatchObject({ connections: 1, failures: 1, received: 0 });
  }
});

test("what nobody has asked for isn't stored", async () => {
  const [wanted, other, passing] = [make(), make(7), make(20_001)];
  using peer = new Peer([wanted]);
  await using router = new TestRouter();
  router.start(stream([peer], 'filter = { "kinds": [1, 20001] }', "down"));
  await router.reaches("live");
  const [live] = peer.messages.filter(([type]) => type === "REQ").map(([, id]) => id);
  peer.say(["EVENT", live, other]);
  peer.say(["EVENT", live, passing]);
  peer.say(["EVENT", live, { ...wanted, id: 5 }]);
  await router.until(() => router.counters(peer.url).refused === 3);
  expect(router.stored).toEqual([wanted]);
});

describe("the file changes", () => {
  test("streams that stay the same keep their connections, removed ones end", async () => {
    using kept = new Peer([]);
    using gone = new Peer([]);
    using added = new Peer([]);
    await using router = new TestRouter();
    const running = router.start(stream([kept], "", "both") + stream([gone], "", "both", "b"));
    await router.reaches("live");
    router.write(stream([kept], "", "both") + stream([added], "", "both", "c"));
    running.reloadIfChanged();
    await router.reaches("live");
    expect(running.statuses.map(({ url }) => url)).toEqual([kept.url, added.url]);
    const event = make();
    router.publish(event);
    await Promise.all([kept.has(event), added.has(event)]);
    expect([kept, gone, added].map(({ connections }) => connections)).toEqual([1, 1, 1]);
    expect(gone.arrived).toEqual([]);
  });

  test("a filter takes the place of the one before", async () => {
    using peer = new Peer([]);
    await using router = new TestRouter();
    const running = router.start(stream([peer], 'filter = { "kinds": [1] }'));
    await router.reaches("live");
    router.write(stream([peer], 'filter = { "kinds": [7] }'));
    running.reloadIfChanged();
    await router.until(() => peer.connections === 2);
    await router.reaches("live");
    const [note, reaction] = [make(1), make(7)];
    router.publish(note, reaction);
    await peer.has(reaction);
    expect(peer.arrived).toEqual([reaction.id]);
  });

  test("a relay more or less leaves the others of its stream alone", async () => {
    using one = new Peer([]);
    using two = new Peer([]);
    await using router = new TestRouter();
    const running = router.start(stream([one]));
    await router.reaches("live");
    router.write(stream([one, two]));
    running.reloadIfChanged();
    await router.until(() => running.statuses.length === 2);
    await router.reaches("live");
    router.write(stream([two]));
    running.reloadIfChanged();
    expect(running.statuses.map(({ url }) => url)).toEqual([two.url]);
    expect([one.connections, two.connections]).toEqual([1, 1]);
  });

  test("so does a key: its streams sign in anew", async () => {
    using peer = new Peer([], { needsSignIn: true });
    using other = new Peer([]);
    await using router = new TestRouter();
    const keyFile = join(router.dir.path, "key");
    const writeKey = (author: number): void => {
      rmSync(keyFile, { force: true });
      const hex = Buffer.from(authorKey(author).secret).toString("hex");
      writeFileSync(keyFile, hex, { mode: 0o600 });
    };
    const keys = () =>
      peer.messages
        .filter(([type]) => type === "AUTH")
        .map(([, event]) => (event as NostrEvent).pubkey);
    writeKey(3);
    const streams = stream([peer], `keyFile = "${keyFile}"`) + stream([other], "", "down", "b");
    const running = router.start(streams);
    await router.reaches("live");
    rmSync(keyFile);
    running.reloadIfChanged();
    expect(running.statuses.map(({ state }) => state)).toEqual(["live", "live"]);
    writeKey(4);
    running.reloadIfChanged();
    await router.until(() => keys().length === 2);
    await router.reaches("live");
    expect(keys()).toEqual([authorKey(3).pubkey, authorKey(4).pubkey]);
    expect(other.connections).toBe(1);
  });

  test("to one that can't even be looked at: the streams stay", async () => {
    using peer = new Peer([]);
    await using router = new TestRouter();
    const running = router.start(stream([peer]));
    await router.reaches("live");
    const folder = router.dir.path;
    renameSync(folder, `${folder}.away`);
    writeFileSync(folder, "no folder");
    running.reloadIfChanged();
    expect(running.statuses.map(({ state }) => state)).toEqual(["live"]);
    rmSync(folder);
    renameSync(`${folder}.away`, folder);
    running.reloadIfChanged();
    expect(running.statuses.map(({ state }) => state)).toEqual(["live"]);
    expect(peer.connections).toBe(1);
  });

  test("to one with a fault: the streams stay, and the next good one counts", async () => {
    using peer = new Peer([]);
    await using router = new TestRouter();
    const running = router.start(stream([peer]));
    await router.reaches("live");
    router.write("a { dir = 5 }");
    running.reloadIfChanged();
    expect(running.statuses.map(({ state }) => state)).toEqual(["live"]);
    router.write("");
    running.reloadIfChanged();
    expect(running.statuses).toEqual([]);
    expect(peer.connections).toBe(1);
  });
});

describe("plugins", () => {
  /** Accepts what has no "spam" in it; each event costs so many seconds. */
  function writePlugin(router: TestRouter, name: string, seconds: string): string {
    const path = join(router.dir.path, name);
    const script = `#!/bin/sh
while read -r line; do
  sleep ${seconds}
  printf '%s\\n' "$line" >> "${path}.lines"
  id=$(printf %s "$line" | sed 's/.*"event":{"id":"\\([^"]*\\)".*/\\1/')
  case "$line" in
    *spam*) echo "{\\"id\\":\\"$id\\",\\"action\\":\\"reject\\",\\"msg\\":\\"blocked: spam\\"}" ;;
    *) echo "{\\"id\\":\\"$id\\",\\"action\\":\\"accept\\"}" ;;
  esac
done
`;
    writeFileSync(path, script);
    chmodSync(path, 0o755);
    return path;
  }

  const spam = () =>
    factory.makeDistinct({ kind: 1, tags: [["t", "spam"]], created_at: nowSeconds() });

  test("say what comes and what goes", async () => {
    const [badThere, goodThere, badHere, goodHere] = [spam(), make(), spam(), make()];
    using peer = new Peer([badThere, goodThere]);
    await using router = new TestRouter([badHere, goodHere]);
    const [down, up] = [writePlugin(router, "down", "0"), writePlugin(router, "up", "0")];
    router.start(stream([peer], `pluginDown = "${down}" pluginUp = "${up}"`));
    await router.has(goodThere);
    await peer.has(goodHere);
    await router.reaches("live");
    expect(peer.arrived).toEqual([goodHere.id]);
    expect(router.stored).toEqual(newestFirst([badHere, goodHere, goodThere]));
    expect(router.counters(peer.url)).toMatchObject({ refused: 1, held: 1 });
    const linesOf = (path: string) =>
      readFileSync(`${path}.lines`, "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    const asked = linesOf(down)[0];
    expect(asked).toMatchObject({ type: "new", sourceType: "Stream", sourceInfo: peer.url });
    for (const line of linesOf(up))
      expect(line).toMatchObject({ sourceType: "Stored", sourceInfo: "" });
  });

  test("that are slow hold up their own stream only", async () => {
    const [slowly, quickly] = [make(), make()];
    using slow = new Peer([]);
    using quick = new Peer([]);
    await using router = new TestRouter();
    const plugin = writePlugin(router, "slow", "60");
    router.start(
      stream([slow], `pluginDown = "${plugin}"`, "down") + stream([quick], "", "down", "b"),
    );
    await router.reaches("live");
    slow.publish(slowly);
    await router.until(() => router.counters(slow.url).received === 1);
    quick.publish(quickly);
    await router.has(quickly);
    expect(router.stored).toEqual([quickly]);
  });

  test("can be given to a stream that runs, and taken from it", async () => {
    using peer = new Peer([]);
    await using router = new TestRouter();
    const plugin = writePlugin(router, "plugin", "0");
    const running = router.start(stream([peer], "", "down"));
    await router.reaches("live");
    router.write(stream([peer], `pluginDown = "${plugin}"`, "down"));
    running.reloadIfChanged();
    peer.publish(spam());
    await router.until(() => router.counters(peer.url).refused === 1);
    router.write(stream([peer], "", "down"));
    running.reloadIfChanged();
    const event = spam();
    peer.publish(event);
    await router.has(event);
    expect(peer.connections).toBe(1);
  });
});
