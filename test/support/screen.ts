// A terminal that a command runs in, and all that it has been sent.

export class Screen {
  readonly options = {
    cols: 80,
    rows: 24,
    data: (_terminal: unknown, bytes: Uint8Array): void => {
      this.text += this.decoder.decode(bytes, { stream: true });
      for (const waiter of this.waiters) waiter();
      this.waiters.clear();
    },
  };
  private readonly decoder = new TextDecoder();
  private readonly waiters = new Set<() => void>();
  private text = "";

  /** Waits until that has been written. */
  async has(text: string): Promise<void> {
    while (!this.text.includes(text)) {
      await new Promise<void>((resolve) => this.waiters.add(resolve));
    }
  }
}
