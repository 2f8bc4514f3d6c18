// Whether an event has to do with groups (NIP-29), told from its JSON text without parsing it: for
// the threads that handle every event. Pure.

import { isMetadataKind, isModerationKind, KIND_JOIN_GROUP, KIND_LEAVE_GROUP } from "./group.ts";

/** As `encodeEvent` writes an `h` tag with a value; within a string its quotes would be escaped. */
const H_TAG = Buffer.from('["h",');

export function hasGroupTag(text: Buffer): boolean {
  return text.includes(H_TAG);
}

/** As `concernsGroups` of the parsed event. */
export function textConcernsGroups(kind: number, text: Buffer): boolean {
  if (isModerationKind(kind) || isMetadataKind(kind)) return true;
  return kind === KIND_JOIN_GROUP || kind === KIND_LEAVE_GROUP || hasGroupTag(text);
}
