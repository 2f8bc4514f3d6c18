// What a thread is given at its start, for a test that has its rings in its own hands.

import { current } from "../../src/config/current.ts";
import { ControlVersion } from "../../src/policy/control.ts";
import { GroupsVersion } from "../../src/policy/groups/view.ts";
import type { Doorbell } from "../../src/ring/doorbell.ts";
import { KeyFilter } from "../../src/store/key-filter.ts";
import { Changes } from "../../src/workers/changes.ts";
import { RecentIds } from "../../src/workers/recent-ids.ts";
import { HandledRemovers } from "../../src/workers/removers.ts";
import type { Station } from "../../src/workers/thread.ts";

type Wiring = Pick<Station, "role" | "inbound" | "websocket"> & Partial<Station>;

/** The only thread of its role, with nothing known of anything stored. */
export function testStation(bell: Doorbell, wiring: Wiring): Station {
  return {
    index: 0,
    roleCount: 1,
    settings: current.settings,
    bell: bell.shared,
    recentIds: new RecentIds().shared,
    changes: new Changes().shared,
    keyFilter: new KeyFilter().shared,
    removers: new HandledRemovers(1).shared,
    control: new ControlVersion().shared,
    groups: new GroupsVersion().shared,
    challengeSecret: "",
    writer: null,
    readers: [],
    monitors: [],
    negentropies: [],
    indexers: [],
    routers: [],
    ...wiring,
  };
}
