// Options from environment variables: NANDU_RELAY_PORT is relay.port. Pure; belongs to no thread.
// A variable that starts with NANDU_ and is not known is an error, since a misspelt one would
// otherwise be ignored without a word.

import { ConfigError } from "./config-error.ts";
import { didYouMean, envName } from "./names.ts";
import type { OptionTable } from "./option.ts";
import { parseTextAt } from "./written.ts";
import type { Written, WrittenValues } from "./written.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Variables that are not options: what names the file, and what belongs to other tools. */
const FOREIGN_VARIABLES = /^NANDU_(CONFIG$|TEST_|BENCH$|EXECUTABLE$|LIBSECP256K1$)/;
/** Kubernetes puts these into every container beside a service called nandu. */
const SERVICE_VARIABLES = /^NANDU_(SERVICE_|PORT_[0-9])/;
const SERVICE_URL = /^(tcp|udp|sctp):\/\//;

function isForeign(variable: string, text: string): boolean {
  if (FOREIGN_VARIABLES.test(variable) || SERVICE_VARIABLES.test(variable)) return true;
  return variable === "NANDU_PORT" && SERVICE_URL.test(text);
}

export function readEnvironment(environment: Environment, options: OptionTable): WrittenValues {
  const known = new Map(
    Object.entries(options).map(([name, option]) => [envName(name), { name, option }]),
  );
  const values = new Map<string, Written>();
  for (const variable of Object.keys(environment).sort()) {
    const text = environment[variable];
    if (text === undefined || !variable.startsWith("NANDU_")) continue;
    if (isForeign(variable, text)) continue;
    const found = known.get(variable);
    if (found === undefined) {
      throw new ConfigError(`${variable}: unknown option${didYouMean(variable, known.keys())}`);
    }
    const value = parseTextAt(variable, found.option, text);
    values.set(found.name, { value, origin: `env ${variable}` });
  }
  return values;
}
