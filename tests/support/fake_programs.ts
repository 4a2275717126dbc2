/** Replaces the programs of the system: a test controls each "program". */
import type { ChildProcess, Programs, ProgramStatus } from "../../lib/runtime/parts.ts";
import { runtime } from "../../lib/runtime/runtime.ts";

type Spawn = Parameters<Programs["spawn"]>;

/** A started program, seen from inside. */
export interface FakeProgram {
  readonly program: string;
  readonly options: Spawn[1];
  /** Its standard input. */
  readonly stdin: ReadableStream<Uint8Array>;
  /** Its output. */
  readonly stdout: WritableStream<Uint8Array<ArrayBuffer>>;
  readonly stderr: WritableStream<Uint8Array<ArrayBuffer>>;
  /** The signals that it received. */
  readonly signals: string[];
  /** Ends it; the test closes its streams separately. */
  exit(status: Partial<ProgramStatus>): void;
}

/** Replaces the system's programs until it is disposed. */
export class FakePrograms implements Disposable {
  readonly started: FakeProgram[] = [];
  /** The error of starting a program. */
  error: Error | null = null;
  /** The error of sending a signal. */
  killError: Error | null = null;
  readonly #news: ((program: FakeProgram) => void)[] = [];
  readonly #spawn = runtime.programs.spawn;

  constructor() {
    runtime.programs.spawn = (program, options) => this.#start(program, options);
  }

  /** The next program that is started. */
  next(): Promise<FakeProgram> {
    return new Promise((resolve) => this.#news.push(resolve));
  }

  [Symbol.dispose](): void {
    runtime.programs.spawn = this.#spawn;
  }

  #start(program: string, options: Spawn[1]): ChildProcess {
    if (this.error) throw this.error;
    const { promise: status, resolve } = Promise.withResolvers<ProgramStatus>();
    const stdin = new TransformStream<Uint8Array, Uint8Array>();
    const [stdout, stderr] = [bytePipe(), bytePipe()];
    const signals: string[] = [];
    const started: FakeProgram = {
      program,
      options,
      stdin: stdin.readable,
      stdout: stdout.writable,
      stderr: stderr.writable,
      signals,
      exit: ({ success = false, code = 0, signal = null }) => resolve({ success, code, signal }),
    };
    this.started.push(started);
    this.#news.shift()?.(started);
    return {
      stdin: stdin.writable,
      stdout: stdout.readable,
      stderr: stderr.readable,
      status,
      kill: (signal) => {
        if (this.killError) throw this.killError;
        signals.push(signal);
      },
    };
  }
}

/** A pipe whose reader can bring its own buffer, like that of a child process. */
function bytePipe() {
  let source!: ReadableByteStreamController;
  const state: { wake: () => void; broken: { reason: unknown } | null } = {
    wake: () => {},
    broken: null,
  };
  const readable = new ReadableStream({
    type: "bytes",
    start: (controller) => void (source = controller),
    pull: () => state.wake(),
    cancel(reason) {
      state.broken = { reason };
      state.wake();
    },
  }) as ReadableStream<Uint8Array<ArrayBuffer>>;
  const check = () => {
    if (state.broken) throw state.broken.reason;
  };
  const writable = new WritableStream<Uint8Array<ArrayBuffer>>({
    async write(chunk) {
      check();
      const taken = new Promise<void>((resolve) => state.wake = resolve);
      source.enqueue(chunk.slice());
      await taken;
      check();
    },
    close() {
      source.close();
      // A pending read with its own buffer needs a separate answer.
      source.byobRequest?.respond(0);
    },
    abort: (reason) => source.error(reason),
  });
  return { readable, writable };
}
