// Inputs for loadConfig that touch neither the disk nor the environment of the test run.

import { expect } from "bun:test";
import { ConfigError } from "../../src/config/config-error.ts";
import type { ConfigSources } from "../../src/config/load.ts";

export interface FakeSources {
  readonly argv?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Text by absolute path; the working directory is /cwd. */
  readonly files?: Readonly<Record<string, string>>;
}

export function sources({ argv = [], env = {}, files = {} }: FakeSources): ConfigSources {
  return { argv, env, cwd: "/cwd", readText: (path) => files[path] ?? null };
}

/** The message of the ConfigError that `run` throws. */
export function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message;
  }
  throw new Error("nothing was thrown");
}
