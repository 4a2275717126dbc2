/** How to start each kind of program in `tests/interop/peers/` that takes its settings as an argument. */
import { OLD_ASYNCSSH, peerSource, requirePeer } from "./peers.ts";

/** The peers in `tests/interop/peers`; Go has flags instead of settings. */
export type ForeignKind =
  | "asyncssh"
  | "asyncssh-2.10"
  | "paramiko"
  | "go"
  | "twisted"
  | "libssh"
  | "erlang"
  | "mina"
  | "jsch"
  | "sshj";

/** A program with its arguments and variables. */
export interface ForeignProgram {
  readonly path: string;
  readonly args: string[];
  readonly env: Record<string, string>;
}

/** The libraries of the Java peer, a program by itself. */
const JAVA: readonly ForeignKind[] = ["mina", "jsch", "sshj"];

const SOURCES: Readonly<Partial<Record<ForeignKind, string>>> = {
  asyncssh: "asyncssh_peer.py",
  "asyncssh-2.10": "asyncssh_peer.py",
  paramiko: "paramiko_peer.py",
  twisted: "twisted_peer.py",
  libssh: "libssh_peer.py",
  erlang: "erlang_peer.escript",
};

/** How to start the peer in a role, with its settings. */
export async function foreignProgram(
  kind: Exclude<ForeignKind, "go">,
  role: "client" | "server",
  settings: object,
): Promise<ForeignProgram> {
  const path = await requirePeer(kind);
  if (JAVA.includes(kind)) return { path, args: [kind, role, ...words(settings)], env: {} };
  const shown = kind === "erlang" ? words(settings) : [JSON.stringify(settings)];
  return {
    path,
    args: [peerSource(SOURCES[kind]!), role, ...shown],
    env: kind === "asyncssh-2.10" ? { PYTHONPATH: OLD_ASYNCSSH } : {},
  };
}

/** Alternating names and values; list elements are separated by line breaks. */
function words(settings: object): string[] {
  return Object.entries(settings)
    .filter(([_, value]) => value !== undefined)
    .flatMap(([name, value]) => [name, Array.isArray(value) ? value.join("\n") : `${value}`]);
}
