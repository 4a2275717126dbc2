import { builtin } from "./builtin.ts";
import { NodeReader, webReadable, writeTo } from "./node_streams.ts";
import type { LocalTerminal, StandardInput, StandardOutput } from "./parts.ts";
import { readStdin } from "./stdin.ts";

/** The standard streams of Node. */
export function nodeTerminal(): LocalTerminal {
  const process = builtin("node:process");
  const { isatty } = builtin("node:tty");
  return {
    stdin: standardInput(),
    stdout: standardOutput(1),
    stderr: standardOutput(2),
    noColor: Boolean(process.env.NO_COLOR),
    readStdin,
    consoleSize() {
      const of = [process.stdout, process.stderr].find(({ isTTY }) => isTTY);
      if (of) return { columns: of.columns, rows: of.rows };
      if (!isatty(0)) throw new Error("Standard input is not a terminal");
      const { columns, rows } = new (builtin("node:tty").WriteStream)(0);
      return { columns, rows };
    },
  };
}

function standardInput(): StandardInput {
  const fs = builtin("node:fs");
  const { isatty } = builtin("node:tty");
  let reader: NodeReader | null = null;
  // Opened on first use, because an open stream takes input that others could read.
  const stdin = () => builtin("node:process").stdin;
  const source = () => reader ??= new NodeReader(stdin(), 1);
  let readable: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  return {
    get readable() {
      return readable ??= webReadable(stdin(), source());
    },
    read: (into) => source().read(into),
    readSync: (into) => fs.readSync(0, into, 0, into.length, null) || null,
    setRaw: (raw) => void stdin().setRawMode(raw),
    isTerminal: () => isatty(0),
  };
}

function standardOutput(fd: 1 | 2): StandardOutput {
  const fs = builtin("node:fs");
  const { isatty } = builtin("node:tty");
  const process = builtin("node:process");
  return {
    write: (bytes) => writeTo(fd === 1 ? process.stdout : process.stderr, bytes),
    writeSync: (bytes) => fs.writeSync(fd, bytes),
    close: () => fs.closeSync(fd),
    isTerminal: () => isatty(fd),
  };
}
