// Who has signed in (NIP-42): the keys of each connection. An ingester's own.

import { NOBODY, type Viewer } from "../protocol/visibility.ts";

export class Sessions {
  private readonly viewers = new Map<number, Viewer>();

  viewer(connId: number): Viewer {
    return this.viewers.get(connId) ?? NOBODY;
  }

  /** Adds a key. A viewer never changes: who has the one before can tell what is new. */
  add(connId: number, pubkey: string): Viewer {
    const viewer = new Set(this.viewer(connId)).add(pubkey);
    this.viewers.set(connId, viewer);
    return viewer;
  }

  forget(connId: number): void {
    this.viewers.delete(connId);
  }
}
