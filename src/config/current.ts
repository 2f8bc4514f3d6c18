// The settings in force on this thread. Each thread has its own copy of this module, hence of
// `current`; a reload installs the new settings in each of them. Everything that may change while
// the process runs is read through setting() when it is needed, never kept.
// Version 0 is the defaults, before anything was installed.

import { defaultSettings } from "./options.ts";
import type { OptionName, Settings } from "./options.ts";

export const current: { version: number; settings: Settings } = {
  version: 0,
  settings: defaultSettings(),
};

/** Puts settings in force on this thread, whole: a reader sees the old or the new, never a mix. */
export function install(settings: Settings): void {
  current.settings = settings;
  current.version += 1;
}

export function setting<N extends OptionName>(name: N): Settings[N] {
  return current.settings[name];
}
