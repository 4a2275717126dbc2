import { onAbort } from "../../waiting.ts";

/** Requests by their signal, so that the hundreds of one transfer share one listener. */
export class Cancellations {
  readonly #cancel: (id: number, reason: unknown) => void;
  readonly #bySignal: Map<AbortSignal, { ids: Set<number>; listening: Disposable }> = new Map();

  constructor(cancel: (id: number, reason: unknown) => void) {
    this.#cancel = cancel;
  }

  add(signal: AbortSignal, id: number): void {
    const known = this.#bySignal.get(signal);
    if (known) return void known.ids.add(id);
    const ids = new Set([id]);
    const listening = onAbort(signal, (reason) => {
      for (const id of ids) this.#cancel(id, reason);
    });
    this.#bySignal.set(signal, { ids, listening });
  }

  delete(signal: AbortSignal, id: number): void {
    const known = this.#bySignal.get(signal);
    if (!known?.ids.delete(id) || known.ids.size > 0) return;
    this.#bySignal.delete(signal);
    known.listening[Symbol.dispose]();
  }

  clear(): void {
    for (const { listening } of this.#bySignal.values()) listening[Symbol.dispose]();
    this.#bySignal.clear();
  }
}
