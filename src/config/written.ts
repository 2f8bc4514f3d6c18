// A value that somebody wrote outside the table, already checked, with the place it stands at.
// The readers (file.ts, environment.ts, flags.ts) produce these; load.ts lays them over each
// other. Pure; belongs to no thread.

import { ConfigError } from "./config-error.ts";
import type { Option, OptionValue } from "./option.ts";
import { parseText } from "./value.ts";

export interface Written {
  readonly value: OptionValue;
  /** Where it comes from, such as "env NANDU_RELAY_PORT". */
  readonly origin: string;
}

/** By option name. */
export type WrittenValues = ReadonlyMap<string, Written>;

/** Throws ConfigError "place: …" if the text is no value of the option. */
export function parseTextAt(place: string, option: Option, text: string): OptionValue {
  const parsed = parseText(option, text);
  if (!parsed.ok) throw new ConfigError(`${place}: ${parsed.problem}`);
  return parsed.value;
}
