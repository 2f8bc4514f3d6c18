// Values computed from the settings, once for each time that settings are put in force on this
// thread: what is asked for every message must not be parsed every time.

import { current } from "./current.ts";
import type { Settings } from "./options.ts";

/** Returns a function that gives `derive` of the settings in force. */
export function derived<T>(derive: (settings: Settings) => T): () => T {
  let of: Settings | null = null;
  let value: T;
  return () => {
    if (of !== current.settings) {
      value = derive(current.settings);
      of = current.settings;
    }
    return value;
  };
}
