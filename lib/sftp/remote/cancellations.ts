/** Requests by the signal that cancels them: a transfer has hundreds under one, which hears of one. */
export class Cancellations {
  readonly #cancel: (id: number, reason: unknown) => void;
  readonly #bySignal: Map<AbortSignal, { ids: Set<number>; abort: () => void }> = new Map();

  constructor(cancel: (id: number, reason: unknown) => void) {
    this.#cancel = cancel;
  }

  add(signal: AbortSignal, id: number): void {
    const known = this.#bySignal.get(signal);
    if (known) return void known.ids.add(id);
    const ids = new Set([id]);
    const abort = () => {
      for (const id of ids) this.#cancel(id, signal.reason);
    };
    this.#bySignal.set(signal, { ids, abort });
    signal.addEventListener("abort", abort, { once: true });
  }

  delete(signal: AbortSignal, id: number): void {
    const known = this.#bySignal.get(signal);
    if (!known?.ids.delete(id) || known.ids.size > 0) return;
    this.#bySignal.delete(signal);
    signal.removeEventListener("abort", known.abort);
  }

  clear(): void {
    for (const [signal, { abort }] of this.#bySignal) signal.removeEventListener("abort", abort);
    this.#bySignal.clear();
  }
}
