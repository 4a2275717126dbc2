/**
 * Built-ins that Node 22 lacks: the bundler inserts these where the module uses them, without changing
 * the globals of a program. `using` itself is compiled.
 */

type Callback = () => void | PromiseLike<void>;

/** `Promise.try`. */
export const promiseTry = Promise.try
  ? Promise.try.bind(Promise)
  : <T, A extends unknown[]>(run: (...args: A) => T | PromiseLike<T>, ...args: A): Promise<T> =>
    new Promise((resolve) => resolve(run(...args)));

/** The common part of both stacks: callbacks that are called last first. */
class Stack {
  protected callbacks: Callback[] = [];
  disposed = false;

  defer(callback: Callback): void {
    if (this.disposed) throw new ReferenceError("The stack has been disposed of");
    this.callbacks.push(callback);
  }

  adopt<T>(value: T, dispose: (value: T) => void | PromiseLike<void>): T {
    this.defer(() => dispose(value));
    return value;
  }

  move(): this {
    const moved = new (this.constructor as new () => this)();
    moved.callbacks = this.callbacks.splice(0);
    this.disposed = true;
    return moved;
  }

  /** Takes the callbacks, the last one first. */
  protected end(): Callback[] {
    this.disposed = true;
    return this.callbacks.splice(0).reverse();
  }
}

/** Our implementation, if the runtime has none. */
export class SyncStack extends Stack {
  use<T extends Disposable | null | undefined>(value: T): T {
    if (value) this.defer(() => value[Symbol.dispose]());
    return value;
  }

  dispose(): void {
    const errors = new Errors();
    for (const callback of this.end()) {
      try {
        callback();
      } catch (error) {
        errors.add(error);
      }
    }
    errors.throwIfAny();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Our implementation, if the runtime has none. */
export class AsyncStack extends Stack {
  use<T extends AsyncDisposable | Disposable | null | undefined>(value: T): T {
    if (value) {
      this.defer(() =>
        Symbol.asyncDispose in value ? value[Symbol.asyncDispose]() : value[Symbol.dispose]()
      );
    }
    return value;
  }

  async disposeAsync(): Promise<void> {
    const errors = new Errors();
    for (const callback of this.end()) {
      try {
        await callback();
      } catch (error) {
        errors.add(error);
      }
    }
    errors.throwIfAny();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.disposeAsync();
  }
}

/** The errors of callbacks: a later one contains the previous ones. */
class Errors {
  #last: { error: unknown } | null = null;

  add(error: unknown): void {
    if (this.#last === null) this.#last = { error };
    else {
      const sum = new Error("An error was suppressed during disposal");
      this.#last = {
        error: Object.assign(sum, {
          name: "SuppressedError",
          error,
          suppressed: this.#last.error,
        }),
      };
    }
  }

  throwIfAny(): void {
    if (this.#last !== null) throw this.#last.error;
  }
}

const own = globalThis as unknown as {
  DisposableStack?: typeof SyncStack;
  AsyncDisposableStack?: typeof AsyncStack;
};

/** `DisposableStack`. */
export const FilledDisposableStack: typeof SyncStack = own.DisposableStack ?? SyncStack;

/** `AsyncDisposableStack`. */
export const FilledAsyncDisposableStack: typeof AsyncStack = own.AsyncDisposableStack ?? AsyncStack;
