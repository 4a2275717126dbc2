import type { Files, PathFunctions, PosixFiles } from "./files.ts";
import type { Net } from "./net.ts";

/** What the module needs of the runtime that it runs on. A part that the runtime lacks throws when it is used. */
export interface Runtime extends RuntimeParts {
  /** The name of the runtime in errors. */
  readonly name: string;
  /** Whether there are local files; what `ssh` takes from the user's is given in the options otherwise. */
  readonly hasFiles: boolean;
  /** The operating system, in the names of Deno's `build.os`; empty if it is not known. */
  readonly os: string;
  /** Whether a permission has been granted, without a prompt for it. */
  isGranted(permission: Deno.PermissionDescriptor): boolean;
  /** Asks the user for a permission; whether it is granted then. A runtime without permissions has them all. */
  requestPermission(permission: Deno.PermissionDescriptor): Promise<boolean>;
  /**
   * A path to the file that is open as a descriptor, whatever its name is by now; null where there is
   * none.
   */
  descriptorPath(fd: number): string | null;
  /**
   * What the runtime's own program is started with to run this program again.
   *
   * @param main The address of the program's main module
   * @param flags Flags of Deno's for it
   */
  ownArguments(main: string, flags: readonly string[]): string[];
  /** Calls back when the program ends, by `exit` or by an error that is not caught, too. */
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

/** A hash that is fed in pieces. */
export interface StreamingHash {
  update(data: Uint8Array): unknown;
  digest(encoding: "hex"): string;
}

/** Environment variables. */
export interface Environment {
  get(name: string): string | undefined;
  toObject(): Record<string, string>;
}

/** What a process knows of itself, and what it can change. */
export interface OwnProcess {
  readonly args: readonly string[];
  readonly pid: number;
  /** The number of the process that started this one. */
  readonly ppid: number;
  /** The path of the runtime's own program. */
  execPath(): string;
  /** Sends a signal to a process. */
  kill(pid: number, signal: Deno.Signal): void;
  /** The number of the user; null on Windows. */
  uid(): number | null;
  /** The name of the machine. */
  hostname(): string;
  cwd(): string;
  chdir(path: string): void;
  /** Sets the mask of permission bits; returns the one before. */
  umask(mask: number): number;
  addSignalListener(signal: Deno.Signal, handler: () => void): void;
  removeSignalListener(signal: Deno.Signal, handler: () => void): void;
  exit(code: number): never;
}

/** Starts programs of this machine. */
export interface Programs {
  /** Starts a program; the streams that `options` calls "piped" are those of the result. */
  spawn(program: string, options: ProgramOptions): ChildProcess;
  /** Runs a program to its end; standard output and error are collected unless `options` says otherwise. */
  output(program: string, options: ProgramOptions): Promise<ProgramOutput>;
}

/** How a program is started. */
export interface ProgramOptions {
  args?: string[];
  cwd?: string;
  /** Variables in addition to those of this process. */
  env?: Record<string, string>;
  /** Whether those of this process are left out. */
  clearEnv?: boolean;
  stdin?: "piped" | "inherit" | "null";
  stdout?: "piped" | "inherit" | "null";
  stderr?: "piped" | "inherit" | "null";
  /** Kills the program when aborted. */
  signal?: AbortSignal | undefined;
}

/** A program that was started. */
export interface ChildProcess {
  readonly stdin: WritableStream<Uint8Array<ArrayBufferLike>>;
  readonly stdout: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly stderr: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly status: Promise<ProgramStatus>;
  kill(signal: Deno.Signal): void;
}

/** How a program ended. */
export interface ProgramStatus {
  readonly success: boolean;
  readonly code: number;
  readonly signal: Deno.Signal | null;
}

/** How a program ended, and what it wrote. */
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
   * Gives standard input as it comes, a piece after the other; disposing leaves what comes then to others.
   *
   * @param take Gets each piece; the next one is read when its promise is resolved
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
  /** Whether keys come one by one, as they are pressed. */
  setRaw(raw: boolean): void;
}

/** Standard output or error. */
export interface StandardOutput extends TerminalStream {
  write(bytes: Uint8Array): Promise<number>;
  writeSync(bytes: Uint8Array): number;
  close(): void;
}
