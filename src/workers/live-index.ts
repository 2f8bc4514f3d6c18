// Which subscriptions an event may be for, by the keys of their filters (term.ts).

import type { LiveSubscription } from "./live-subscription.ts";

/** Of one key, with so many or fewer a list: an entry of a set takes ten times the memory. */
const LIST_MAX = 64;

type Found = LiveSubscription | LiveSubscription[] | Set<LiveSubscription>;

export class LiveIndex {
  /** Most keys have one subscription. */
  private readonly byKey = new Map<number, Found>();

  get isEmpty(): boolean {
    return this.byKey.size === 0;
  }

  /** Null when there is none. */
  of(key: number): Iterable<LiveSubscription> | null {
    const found = this.byKey.get(key);
    if (found === undefined) return null;
    return Array.isArray(found) || found instanceof Set ? found : [found];
  }

  /** Adding one twice under a key changes nothing. */
  add(key: number, one: LiveSubscription): void {
    const found = this.byKey.get(key);
    if (found === undefined) this.byKey.set(key, one);
    else if (found instanceof Set) found.add(one);
    else if (!Array.isArray(found)) {
      if (found !== one) this.byKey.set(key, [found, one]);
    } else if (!found.includes(one)) {
      if (found.length < LIST_MAX) found.push(one);
      else this.byKey.set(key, new Set(found).add(one));
    }
  }

  remove(key: number, one: LiveSubscription): void {
    const found = this.byKey.get(key);
    if (found instanceof Set) {
      found.delete(one);
      if (found.size === 0) this.byKey.delete(key);
    } else if (!Array.isArray(found)) {
      if (found === one) this.byKey.delete(key);
    } else {
      const at = found.indexOf(one);
      if (at < 0) return;
      found[at] = found.at(-1) as LiveSubscription;
      found.pop();
      if (found.length === 0) this.byKey.delete(key);
    }
  }
}
