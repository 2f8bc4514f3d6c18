// Groups as configured. Each thread asks for itself.

import { derived } from "../../config/derived.ts";
import type { GroupRules } from "./rules.ts";

/** Null where groups are off. */
export const groupRules = derived((settings): GroupRules | null => {
  if (!settings["groups.enabled"]) return null;
  return {
    create: settings["groups.create"],
    foreign: settings["groups.foreign"],
    latePublicationSeconds: settings["groups.late_publication_s"],
    previousMin: settings["groups.previous_min"],
    groupsMax: settings["groups.groups_max"],
    membersMax: settings["groups.members_max"],
    invitesMax: settings["groups.invites_max"],
    pinsMax: settings["groups.pins_max"],
  };
});
