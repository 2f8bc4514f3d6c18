// `nandu invite`: codes by which others become members of the relay (NIP-43).

import { setting } from "../config/current.ts";
import { makeOperatorCode, openInvite } from "../policy/invites.ts";
import { type Command, configure, EXIT_OK, parseAge, parseFlags, UsageError } from "./command.ts";
import { changeControl, noMore, OPERATOR, parseAction, readChanges } from "./change-control.ts";

const usage = `Usage: nandu invite create [--uses N] [--lifetime AGE]
       nandu invite list
       nandu invite revoke CODE

Makes a code by which others become members of the relay, and prints it. The list has a line for
each code that was made here or has been used: code, who has made it, how often it was used, how
often it may be, when it ends, separated by tabs. Codes that members got by asking the relay can be
revoked as well. Safe while the relay runs.

  --uses N        how many may join by it (default access.invite_uses)
  --lifetime AGE  how long it is good, such as 12h or 7d (default access.invite_lifetime_s)
`;

const USES_MAX = 1_000_000;

function run(args: readonly string[]): number {
  const { rest } = configure(args);
  const { values, positionals } = parseFlags(rest, [], ["--uses", "--lifetime"]);
  const [text, code, extra] = positionals;
  const action = parseAction(text, ["create", "list", "revoke"]);
  if (action !== "create" && values.size > 0) throw new UsageError(`${action} has no such flag`);
  noMore(action === "revoke" ? extra : code);
  switch (action) {
    case "create":
      create(values.get("--uses"), values.get("--lifetime"));
      break;
    case "list":
      list();
      break;
    case "revoke":
      if (code === undefined) throw new UsageError("a code is missing");
      revoke(code);
      break;
  }
  return EXIT_OK;
}

function create(uses: string | undefined, lifetime: string | undefined): void {
  const usesMax = uses === undefined ? setting("access.invite_uses") : Number(uses);
  if (!Number.isInteger(usesMax) || usesMax < 1 || usesMax > USES_MAX) {
    throw new UsageError(`--uses: ${uses} is not a number from 1 to ${USES_MAX}`);
  }
  const seconds =
    lifetime === undefined ? setting("access.invite_lifetime_s") : parseAge("--lifetime", lifetime);
  const code = makeOperatorCode();
  changeControl(({ changes, now }) => {
    const expires = now + seconds;
    const invite = { code, inviter: OPERATOR, created_at: now, expires, usesMax, uses: 0 };
    changes.putInvite(invite, now);
    changes.log(now, OPERATOR, "createinvite", [code, usesMax, expires], "true");
  });
  process.stdout.write(`${code}\n`);
}

function list(): void {
  for (const invite of readChanges((changes) => changes.invites())) {
    const { code, inviter, expires, uses, usesMax } = invite;
    const until = new Date(expires * 1000).toISOString();
    const line = [code, inviter, uses, usesMax === 0 ? "revoked" : usesMax, until].join("\t");
    process.stdout.write(`${line}\n`);
  }
}

function revoke(code: string): void {
  changeControl(({ changes, key, now }) => {
    const sealed = openInvite(key, code);
    const known =
      changes.invite(code) ??
      (sealed && {
        code,
        inviter: sealed.inviterPrefix,
        created_at: now,
        expires: sealed.expires,
        uses: 0,
      });
    if (known === null) throw new Error(`there is no invite ${code}`);
    changes.putInvite({ ...known, usesMax: 0 }, now);
    changes.log(now, OPERATOR, "revokeinvite", [code], "true");
  });
  process.stdout.write(`revoked ${code}\n`);
}

export const inviteCommand: Command = { usage, run };
