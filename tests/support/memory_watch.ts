/** Finds secrets left in memory: keeps every byte array that is created, and searches them. */

/** Watches the byte arrays that are created from now on, until it is disposed. */
export class MemoryWatch implements Disposable {
  readonly #buffers = new Set<ArrayBufferLike>();
  readonly #restore: (() => void)[] = [];

  constructor() {
    const note = <T>(made: T): T => {
      if (made instanceof Uint8Array) this.#buffers.add(made.buffer);
      return made;
    };
    const { Uint8Array: Plain, TextEncoder: { prototype: encoder } } = globalThis;
    this.#replace(
      globalThis,
      "Uint8Array",
      () =>
        new Proxy(Plain, {
          construct: (target, args, newTarget) => note(Reflect.construct(target, args, newTarget)),
        }),
    );
    for (const name of ["slice", "map", "filter", "with", "toReversed", "toSorted"] as const) {
      this.#replace(
        Object.getPrototypeOf(Plain.prototype),
        name,
        (before) =>
          function (this: unknown, ...args: unknown[]) {
            return note(Reflect.apply(before, this, args));
          },
      );
    }
    this.#replace(encoder, "encode", (before) =>
      function (this: unknown, ...args: unknown[]) {
        return note(Reflect.apply(before, this, args));
      });
    for (const name of ["exportKey", "deriveBits", "decrypt", "sign"] as const) {
      this.#replace(
        SubtleCrypto.prototype,
        name,
        (before) =>
          async function (this: unknown, ...args: unknown[]) {
            const made = await Reflect.apply(before, this, args);
            if (made instanceof ArrayBuffer) note(new Plain(made));
            return made;
          },
      );
    }
  }

  /** Counts the arrays that contain the bytes. */
  count(secret: Uint8Array): number {
    return [...this.#buffers].filter((buffer) =>
      !(buffer as ArrayBuffer).detached && holds(new Uint8Array(buffer), secret)
    ).length;
  }

  [Symbol.dispose](): void {
    for (const restore of this.#restore.reverse()) restore();
  }

  // deno-lint-ignore no-explicit-any
  #replace(owner: any, name: string, make: (before: any) => unknown): void {
    const before = Object.getOwnPropertyDescriptor(owner, name)!;
    Object.defineProperty(owner, name, { ...before, value: make(before.value) });
    this.#restore.push(() => Object.defineProperty(owner, name, before));
  }
}

function holds(bytes: Uint8Array, wanted: Uint8Array): boolean {
  // Most memory is zeros, so the search starts at a byte that is not zero.
  const rare = Math.max(wanted.findLastIndex((byte) => byte !== 0), 0);
  for (let at = bytes.indexOf(wanted[rare]!, rare); at !== -1;) {
    if (wanted.every((byte, index) => bytes[at - rare + index] === byte)) return true;
    at = bytes.indexOf(wanted[rare]!, at + 1);
  }
  return false;
}
