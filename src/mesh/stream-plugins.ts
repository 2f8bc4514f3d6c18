// The plugins of a stream, shared by all of its relays: what comes is asked about for each relay it
// comes from, what goes once, however many relays it goes to, as by strfry's router. Belongs to the
// router's thread.

import { Plugin, PluginClosed, type PluginQuestion, type PluginVerdict } from "../policy/plugin.ts";

/** Of verdicts about what goes: relays of a stream ask at nearly the same time. */
const VERDICTS_KEPT = 2000;

export class StreamPlugins {
  private down: Plugin | null = null;
  private up: Plugin | null = null;
  private isClosed = false;
  /** Plugins that have been closed, until they have ended. */
  private readonly ending = new Set<Promise<void>>();
  private readonly verdicts = new Map<string, Promise<PluginVerdict>>();

  /** Commands; null for none. What stays the same runs on. */
  configure(down: string | null, up: string | null): void {
    this.down = this.replace(this.down, down);
    const before = this.up;
    this.up = this.replace(this.up, up);
    if (this.up !== before) this.verdicts.clear();
  }

  /**
   * Who waits for an answer gets PluginClosed, so that nothing passes unasked. Resolves when none
   * of their processes is left.
   */
  async close(): Promise<void> {
    this.isClosed = true;
    this.configure(null, null);
    await Promise.all(this.ending);
  }

  get hasUp(): boolean {
    return this.up !== null;
  }

  /** Null for accepted. `url`: whom it comes from. */
  async checkDown(id: string, json: () => string, url: string): Promise<PluginVerdict | null> {
    if (this.down === null && !this.isClosed) return null;
    const source = { sourceType: "Stream", sourceInfo: url, authed: null } as const;
    return this.ask(() => this.down, { id, json: json(), ...source });
  }

  async checkUp(id: string, json: string): Promise<PluginVerdict | null> {
    const known = this.verdicts.get(id);
    if (known !== undefined) return unlessAccepted(await known);
    const question = { id, json, sourceType: "Stored", sourceInfo: "", authed: null } as const;
    const asked = this.ask(() => this.up, question).then((verdict) => verdict ?? ACCEPTED);
    this.verdicts.set(id, asked);
    for (const oldest of this.verdicts.keys()) {
      if (this.verdicts.size <= VERDICTS_KEPT) break;
      this.verdicts.delete(oldest);
    }
    return unlessAccepted(await asked);
  }

  /** Asks again when the plugin has been replaced meanwhile. */
  private async ask(
    plugin: () => Plugin | null,
    question: PluginQuestion,
  ): Promise<PluginVerdict | null> {
    for (;;) {
      const asked = plugin();
      if (this.isClosed) throw new PluginClosed("the stream has been closed");
      if (asked === null) return null;
      try {
        return unlessAccepted(await asked.ask(question));
      } catch (error) {
        if (!(error instanceof PluginClosed)) throw error;
      }
    }
  }

  private replace(plugin: Plugin | null, command: string | null): Plugin | null {
    if ((plugin?.command ?? null) === command) return plugin;
    const ended = plugin?.close().then(() => void this.ending.delete(ended as Promise<void>));
    if (ended !== undefined) this.ending.add(ended);
    return command === null ? null : new Plugin(command);
  }
}

const ACCEPTED: PluginVerdict = { action: "accept", message: "" };

function unlessAccepted(verdict: PluginVerdict): PluginVerdict | null {
  return verdict.action === "accept" ? null : verdict;
}
