// The one error that every fault of the configuration becomes. Its message is a single line that
// starts with the place at fault (file:line, environment variable or flag). Belongs to no thread:
// it is thrown while a command starts or a reload is read, and caught by whoever asked for that.

export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** What the process exits with when the command can't start: 2, as for any wrong usage. */
  readonly exitCode = 2;
}
