// The table of groups (NIP-29): what their moderation events add up to, so that no start has to
// read those. A row is written in the transaction of the event that changes the group.

export const GROUP_TABLES = `
  CREATE TABLE group_state (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,  -- grows with every change, over all rows
    state TEXT,                -- JSON; null: the group is gone
    stamp INTEGER NOT NULL,    -- created_at of the metadata last published
    stale TEXT NOT NULL,       -- JSON: the kinds of metadata that are still to be published
    is_purged INTEGER NOT NULL -- of a group that is gone: 1 once its events have been removed
  ) STRICT;
  CREATE INDEX group_version ON group_state (version);
  `;
