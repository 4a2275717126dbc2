import type { TerminalSize } from "../connection/session_requests.ts";
import type { ChildProcess, ProgramOptions } from "../runtime/parts.ts";
import { quote } from "../quote.ts";
import { runtime } from "../runtime/runtime.ts";
import type { Pty } from "../session/pty.ts";
import type { TerminalMode } from "../wire/numbers.ts";

/** The longest name of a terminal device; longer text is output. */
const MAX_DEVICE = 64;

/** A running program with a terminal. */
export interface TerminalProgram {
  readonly child: ChildProcess;
  /** Output that arrived together with the name of the terminal. */
  readonly early: Uint8Array;
  /** Changes the size of the terminal; the program gets SIGWINCH. */
  resize(size: Required<TerminalSize>): void;
}

/**
 * Whether this machine can give programs a terminal: it has script(1) of util-linux and stty(1), and this
 * process may run them. JavaScript cannot open one itself.
 */
export async function hasTerminals(): Promise<boolean> {
  const programs = ["script", "stty"];
  if (!programs.every((command) => runtime.isGranted({ name: "run", command }))) return false;
  const found = await Promise.all([says("script", "util-linux"), says("stty", "stty")]);
  return !found.includes(false);
}

async function says(program: string, word: string): Promise<boolean> {
  try {
    const options: ProgramOptions = { args: ["--version"], stdin: "null" };
    const { stdout } = await runtime.programs.output(program, options);
    return new TextDecoder().decode(stdout).includes(word);
  } catch {
    return false;
  }
}

/**
 * Starts a shell, or a command in it, at a new terminal, as sshd does: with the client's size and modes,
 * TERM and SSH_TTY. The program's exit status is that of `child`; 128 and its number for a signal. The end
 * of `child` closes the terminal, which sends SIGHUP to everything that runs there.
 *
 * @param command The command; null for an interactive shell
 */
export async function startAtTerminal(
  shell: string,
  command: string | null,
  pty: Pty,
  options: Pick<ProgramOptions, "cwd" | "env" | "clearEnv" | "signal">,
): Promise<TerminalProgram> {
  const program = quote([shell, ...command === null ? [] : ["-c", command]]);
  const { columns, rows, modes } = pty;
  const start = [
    "SSH_TTY=$(tty)",
    `SHELL=${quote(options.env?.SHELL ?? shell)}`,
    "export SSH_TTY SHELL",
    `stty rows ${rows} cols ${columns} 2>/dev/null`,
    setModes(modes),
    `printf '%s\\n' "$SSH_TTY"`,
    `exec ${program}`,
  ];
  const child = runtime.programs.spawn("script", {
    ...options,
    // `script` runs its command with $SHELL.
    env: { ...options.env, TERM: pty.term, SHELL: "/bin/sh" },
    args: ["-qec", start.join("\n"), "/dev/null"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
  const { device, early } = await firstLine(child.stdout);
  let wanted: Required<TerminalSize> | null = null;
  let setting = false;
  const set = async () => {
    setting = true;
    // Set only the last size while a window is being resized.
    for (let size; (size = wanted) !== null;) {
      wanted = null;
      const args = ["-F", device, "rows", `${size.rows}`, "cols", `${size.columns}`];
      await runtime.programs.output("stty", { args, stdin: "null" }).catch(() => {});
    }
    setting = false;
  };
  return {
    child,
    early,
    resize(size) {
      wanted = size;
      if (!setting && device !== "") set();
    },
  };
}

/** The name of the terminal at the start of the output, and the rest. */
async function firstLine(
  stdout: ReadableStream<Uint8Array>,
): Promise<{ device: string; early: Uint8Array }> {
  const reader = stdout.getReader();
  let bytes = new Uint8Array(0);
  try {
    for (let got; !(got = await reader.read()).done;) {
      const joined = new Uint8Array(bytes.length + got.value.length);
      joined.set(bytes);
      joined.set(got.value, bytes.length);
      bytes = joined;
      const end = bytes.indexOf(0x0a);
      if (end >= 0 && end <= MAX_DEVICE) {
        const device = new TextDecoder().decode(bytes.subarray(0, end)).trim();
        return { device, early: bytes.subarray(end + 1) };
      }
      if (bytes.length > MAX_DEVICE) break;
    }
    return { device: "", early: bytes };
  } finally {
    reader.releaseLock();
  }
}

/** Modes with the same name in lower case in stty, where a minus turns them off. */
const SWITCHES: readonly TerminalMode[] = [
  ...["IGNPAR", "PARMRK", "INPCK", "ISTRIP", "INLCR", "IGNCR", "ICRNL", "IUCLC"] as const,
  ...["IXON", "IXANY", "IXOFF", "IMAXBEL", "IUTF8", "ISIG", "ICANON", "XCASE", "ECHO"] as const,
  ...["ECHOE", "ECHOK", "ECHONL", "NOFLSH", "TOSTOP", "IEXTEN", "ECHOCTL", "ECHOKE"] as const,
  ...["OPOST", "OLCUC", "ONLCR", "OCRNL", "ONOCR", "ONLRET"] as const,
  ...["PARENB", "PARODD"] as const,
];

/** The names of control characters in stty. */
const CHARACTERS: Readonly<Partial<Record<TerminalMode, string>>> = {
  VINTR: "intr",
  VQUIT: "quit",
  VERASE: "erase",
  VKILL: "kill",
  VEOF: "eof",
  VEOL: "eol",
  VEOL2: "eol2",
  VSTART: "start",
  VSTOP: "stop",
  VSUSP: "susp",
  VREPRINT: "rprnt",
  VWERASE: "werase",
  VLNEXT: "lnext",
  VDISCARD: "discard",
};

/** Sets modes with one call of stty; if stty refuses one of them, each separately. */
function setModes(modes: Pty["modes"]): string {
  const given = modeArguments(modes);
  const each = given.map((words) => `stty ${words}`).join("; ");
  return given.length === 0 ? ":" : `{ stty ${given.join(" ")} || { ${each}; }; } 2>/dev/null`;
}

function modeArguments(modes: Pty["modes"]): string[] {
  const found: string[] = [];
  for (const [name, value] of Object.entries(modes) as [TerminalMode, number][]) {
    const character = CHARACTERS[name];
    if (character !== undefined) {
      const code = value === 255 ? "undef" : `0x${(value & 0xff).toString(16).padStart(2, "0")}`;
      found.push(`${character} ${code}`);
    } else if (/^CS[78]$/.test(name)) {
      if (value !== 0) found.push(name.toLowerCase());
    } else if (SWITCHES.includes(name)) {
      found.push(`${value === 0 ? "-" : ""}${name.toLowerCase()}`);
    }
  }
  return found;
}
