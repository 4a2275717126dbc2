import type { Files, PathFunctions, PosixFiles } from "./files.ts";
import type { Net } from "./net.ts";

/** The features of the runtime that the module needs. A missing part throws when it is used. */
export interface Runtime extends RuntimeParts {
  /** The name of the runtime in errors. */
  readonly name: string;
  /** Whether there are local files; without them, options replace the user's files. */
  readonly hasFiles: boolean;
  /** The operating system, as in `Deno.build.os`; empty if unknown. */
  readonly os: string;
  /** Whether a permission was granted; does not prompt. */
  isGranted(permission: Deno.PermissionDescriptor): boolean;
  /**
   * Asks the user for a permission; resolves to whether it is granted. A runtime without permissions grants
   * all.
   */
  requestPermission(permission: Deno.PermissionDescriptor): Promise<boolean>;
  /**
   * A path to the open file of a descriptor, whatever its current name; null if the system has none.
   */
  descriptorPath(fd: number): string | null;
  /**
   * The arguments of the runtime's executable to run this program again.
   *
   * @param main The address of the program's main module
   * @param flags Further flags for Deno
   */
  ownArguments(main: string, flags: readonly string[]): string[];
  /** Calls back when the program ends, also by `exit` or by an uncaught error. */
  onEnd(run: () => void): Disposable;
  /** Lets the program end while the timer is still running. */
  unrefTimer(timer: ReturnType<typeof setTimeout>): void;
}

/** The parts that a runtime may lack. */
export interface RuntimeParts {
  /** Sockets and name resolution. */
  readonly net: Net;
  /** Local files. */
  readonly files: Files;
  /** Paths of local files. */
  readonly paths: PathFunctions;
  /** Local files by descriptor, with the flags of open(2). */
  readonly posix: PosixFiles;
  /** SHA-256 of data in pieces. */
  readonly sha256: () => StreamingHash;
  /** Environment variables. */
  readonly env: Environment;
  /** The process itself. */
  readonly process: OwnProcess;
  /** Other programs. */
  readonly programs: Programs;
  /** The standard streams and the terminal. */
  readonly terminal: LocalTerminal;
}

/** A hash of data in pieces. */
export interface StreamingHash {
  update(data: Uint8Array): unknown;
  digest(encoding: "hex"): string;
}

/** Environment variables. */
export interface Environment {
  get(name: string): string | undefined;
  toObject(): Record<string, string>;
}

/** The current process. */
export interface OwnProcess {
  readonly args: readonly string[];
  readonly pid: number;
  /** The id of the parent process. */
  readonly ppid: number;
  /** The path of the runtime's executable. */
  execPath(): string;
  /** Sends a signal to a process. */
  kill(pid: number, signal: Deno.Signal): void;
  /** The id of the user; null on Windows. */
  uid(): number | null;
  /** The name of the machine. */
  hostname(): string;
  cwd(): string;
  chdir(path: string): void;
  /** Sets the umask; returns the previous one. */
  umask(mask: number): number;
  addSignalListener(signal: Deno.Signal, handler: () => void): void;
  removeSignalListener(signal: Deno.Signal, handler: () => void): void;
  exit(code: number): never;
}

/** Starts programs of this machine. */
export interface Programs {
  /** Starts a program; the result has the streams that are "piped" in `options`. */
  spawn(program: string, options: ProgramOptions): ChildProcess;
  /** Runs a program to its end; standard output and error are collected unless `options` says otherwise. */
  output(program: string, options: ProgramOptions): Promise<ProgramOutput>;
}

/** Options for starting a program. */
export interface ProgramOptions {
  args?: string[];
  cwd?: string;
  /** Variables in addition to those of this process. */
  env?: Record<string, string>;
  /** Whether to omit the variables of this process. */
  clearEnv?: boolean;
  stdin?: "piped" | "inherit" | "null";
  stdout?: "piped" | "inherit" | "null";
  stderr?: "piped" | "inherit" | "null";
  /** Kills the program when aborted. */
  signal?: AbortSignal | undefined;
}

/** A running program. */
export interface ChildProcess {
  readonly stdin: WritableStream<Uint8Array<ArrayBufferLike>>;
  readonly stdout: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly stderr: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly status: Promise<ProgramStatus>;
  kill(signal: Deno.Signal): void;
}

/** The exit status of a program. */
export interface ProgramStatus {
  readonly success: boolean;
  readonly code: number;
  readonly signal: Deno.Signal | null;
}

/** The exit status of a program, and its output. */
export interface ProgramOutput extends ProgramStatus {
  readonly stdout: Uint8Array<ArrayBuffer>;
  readonly stderr: Uint8Array<ArrayBuffer>;
}

/** The standard streams of this process, and the terminal that they may be on. */
export interface LocalTerminal {
  readonly stdin: StandardInput;
  readonly stdout: StandardOutput;
  readonly stderr: StandardOutput;
  /** Whether the user wants no colours: NO_COLOR. */
  readonly noColor: boolean;
  /**
   * Reads standard input in pieces as they arrive; disposing stops it and leaves later input unread.
   *
   * @param take Called with each piece; the next one is read when its promise resolves
   * @param end Called at the end of the input
   */
  readStdin(take: (bytes: Uint8Array) => Promise<void>, end: () => void): Disposable;
  /** The size of the terminal that a standard stream is on. */
  consoleSize(): { columns: number; rows: number };
}

/** A stream that may be a terminal. */
interface TerminalStream {
  isTerminal(): boolean;
}

/** Standard input. */
export interface StandardInput extends TerminalStream {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  read(into: Uint8Array): Promise<number | null>;
  readSync(into: Uint8Array): number | null;
  /** Whether each key is delivered immediately. */
  setRaw(raw: boolean): void;
}

/** Standard output or error. */
export interface StandardOutput extends TerminalStream {
  write(bytes: Uint8Array): Promise<number>;
  writeSync(bytes: Uint8Array): number;
  close(): void;
}
