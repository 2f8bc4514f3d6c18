// Random events of groups (NIP-29), as full of coincidences as a few groups and authors make them:
// most are refused, some are not.

import type { NostrEvent } from "../../src/protocol/event.ts";
import { groupEvent, NOW } from "./group-book.ts";
import { type Dice, sha256Hex } from "./unsigned-events.ts";

export const SOUP_GROUPS = ["a", "b", "c", "d", "e", "f"];
/** Deleting a group is rare, or there would soon be none left. */
export const SOUP_KINDS = [
  [9, 11, 9000, 9000, 9000, 9001, 9002, 9002, 9005, 9007, 9009, 9010, 9021, 9021, 9022],
  [9, 11, 9000, 9000, 9000, 9001, 9002, 9002, 9005, 9007, 9009, 9010, 9021, 9021, 9008],
].flat();

/** `events`: those that may be referred to. */
export function soupTag(
  dice: Dice,
  authors: readonly string[],
  events: readonly NostrEvent[],
): string[] {
  const user = dice.pick(authors);
  const role = dice.pick(["admin", "moderator", "cook"]);
  const event = events.length > 0 ? dice.pick(events).id : sha256Hex("none");
  const id = dice.pick(SOUP_GROUPS);
  return dice.pick([
    ["p", user],
    ["p", user, role],
    ["e", event],
    ["e", event],
    ["code", dice.pick(["x", "y"])],
    ["parent", id],
    ["child", id],
    [dice.pick(["private", "restricted", "hidden", "closed"])],
    ["name", `${dice.below(9)}`],
    ["supported_kinds", "9"],
  ]);
}

export function soupEvent(
  dice: Dice,
  authors: readonly string[],
  events: readonly NostrEvent[],
): NostrEvent {
  const tags = dice.list(dice.below(4), () => soupTag(dice, authors, events));
  const by = dice.pick(authors);
  const [kind, h] = [dice.pick(SOUP_KINDS), dice.pick(SOUP_GROUPS)];
  return groupEvent({ kind, by, h, tags, at: NOW + dice.below(100), content: `${dice.next()}` });
}
