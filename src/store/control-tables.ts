// The tables of the relay's control state: who and what is banned, members, roles, invites, kinds,
// addresses, texts, and the log of all changes. Small, read whole into memory (src/policy), written
// by whoever holds the write transaction, who raises `version` with every change but the log's.
// Public keys and ids are lower-case hex. (`control` has since become `control_version`:
// migrations.ts.)

export const CONTROL_TABLES = `
  CREATE TABLE control (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL
  ) STRICT;
  INSERT INTO control VALUES (1, 0);
  CREATE TABLE banned_pubkey (pubkey TEXT PRIMARY KEY, reason TEXT NOT NULL)
    STRICT, WITHOUT ROWID;
  CREATE TABLE banned_event (
    id TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    is_removed INTEGER NOT NULL -- 1: it has been looked for in the store
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX unremoved_event ON banned_event (id) WHERE is_removed = 0;
  CREATE TABLE allowed_event ( -- reported, and found to be good
    id TEXT PRIMARY KEY,
    reason TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE member (
    n INTEGER PRIMARY KEY,     -- the order of joining
    pubkey TEXT NOT NULL UNIQUE,
    reason TEXT NOT NULL
  ) STRICT;
  CREATE TABLE role (
    id TEXT PRIMARY KEY,
    label TEXT NOT NULL,
    description TEXT NOT NULL,
    color INTEGER,             -- a hue, 0 to 360
    position INTEGER           -- \`order\` of NIP-43
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE member_role (
    pubkey TEXT NOT NULL,
    role TEXT NOT NULL,
    PRIMARY KEY (pubkey, role)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE invite (        -- those made by an operator, and of the others those that were used
    code TEXT PRIMARY KEY,
    inviter TEXT NOT NULL,     -- a public key, or 'operator'
    created_at INTEGER NOT NULL,
    expires INTEGER NOT NULL,  -- unix seconds
    uses_max INTEGER NOT NULL, -- 0: revoked
    uses INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE kind_rule (kind INTEGER PRIMARY KEY, is_allowed INTEGER NOT NULL) STRICT;
  CREATE TABLE blocked_ip (ip TEXT PRIMARY KEY, reason TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE relay_text (    -- instead of the options info.X
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE used_auth (     -- NIP-98 events that can't be used again
    id TEXT PRIMARY KEY,
    until INTEGER NOT NULL     -- unix seconds
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE audit (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,       -- unix seconds
    actor TEXT NOT NULL,       -- a public key, or 'operator': the command line
    method TEXT NOT NULL,
    params TEXT NOT NULL,      -- JSON
    result TEXT NOT NULL
  ) STRICT;
  `;
