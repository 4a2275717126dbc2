/** Controls of foreign peers with OpenSSH, or with each other where OpenSSH cannot do it. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { noise } from "../../support/random.ts";
import { tempFolder } from "../../support/temp.ts";
import { control } from "./control.ts";
import { startDropbear } from "./dropbear.ts";
import type { ForeignServer } from "../../support/endpoint.ts";
import { type ForeignClientOptions, runForeign } from "./foreign_clients.ts";
import type { ForeignKind } from "./foreign_program.ts";
import { type ForeignServerOptions, startForeign } from "./foreign_server.ts";
import { type ClientOptions, runClient, runDbclient } from "./openssh_clients.ts";
import { findPeer } from "./peers.ts";
import { type SshdOptions, startSshd } from "./sshd.ts";

const DATA = noise(700_001);
const COMMAND = "cat; echo err >&2; exit 7";

/** A client of the kind runs a command on sshd, with these options at both ends. */
export async function clientControl(
  kind: ForeignKind,
  options: ForeignClientOptions = {},
  sshd: SshdOptions = {},
): Promise<string | null> {
  if (await findPeer("sshd") === null) return null;
  return await control(kind, `runs a command ${shown(options)}`, async () => {
    await using server = await startSshd({ userKey: "rsa", ...sshd });
    const ran = await runForeign(kind, server, ["exec", COMMAND], { ...options, stdin: DATA });
    assertEquals([ran.code, ran.stdout], [7, DATA], ran.stderr);
    assertMatch(ran.stderr, /^agreed .*[^]*err\n$/m);
  });
}

/** A server of the kind serves `ssh`, with these options at both ends. */
export async function serverControl(
  kind: ForeignKind,
  options: ForeignServerOptions = {},
  client: ClientOptions = {},
): Promise<string | null> {
  if (await findPeer("ssh") === null) return null;
  return await control(kind, `serves a command ${shown(options)}`, async () => {
    await using server = await startForeign(kind, options);
    await servesSsh(server, client);
  });
}

/** A client of the kind dials through sshd. */
export async function dialControl(kind: ForeignKind): Promise<string | null> {
  if (await findPeer("sshd") === null) return null;
  return await control(kind, "dials through a server", async () => {
    await using server = await startSshd();
    const dial: [string, ...string[]] = ["dial", "127.0.0.1", `${server.port}`];
    const ran = await runForeign(kind, server, dial, { stdin: "not ssh\n" });
    assertStringIncludes(ran.text, "SSH-2.0-OpenSSH", ran.stderr);
  });
}

/** Client and server of the kind work with each other, for features that OpenSSH may lack. */
export function pairControl(
  kind: ForeignKind,
  step: string,
  options: ForeignServerOptions & ForeignClientOptions,
): Promise<string | null> {
  return control(kind, step, async () => {
    const { hostKey: _, ...both } = options;
    await using server = await startForeign(kind, both);
    const hostKey = server.hostKeys.ed25519!.publicKey;
    const ran = await runForeign(kind, server, ["exec", COMMAND], {
      ...{ hostKey, hostKeyAlgorithms: ["ssh-ed25519"] },
      ...both,
      stdin: DATA,
    });
    assertEquals([ran.code, ran.stdout], [7, DATA], ran.stderr);
  }, kind);
}

/** Dropbear's server serves `ssh`. */
export async function dropbearControl(): Promise<string | null> {
  if (await findPeer("ssh") === null) return null;
  return await control("dropbear", "serves a command", async () => {
    await using server = await startDropbear();
    await servesSsh(server, {});
  });
}

/** Dropbear's client runs a command on sshd. */
export async function dbclientControl(): Promise<string | null> {
  if (await findPeer("sshd") === null) return null;
  return await control("dbclient", "runs a command", async () => {
    await using server = await startSshd();
    const ran = await runDbclient(server, [COMMAND], { stdin: DATA });
    assertEquals([ran.code, ran.stdout], [7, DATA], ran.stderr);
  });
}

/** OpenSSH's sftp puts, renames, lists, gets and removes files of a server. */
export async function sftpServerControl(
  peer: string,
  start: () => Promise<ForeignServer>,
): Promise<string | null> {
  if (await findPeer("sftp") === null) return null;
  return await control(peer, "serves files", async () => {
    await using folder = await tempFolder();
    await using server = await start();
    const [local, far, back] = ["local", "far", "back"].map((name) => folder.join(name));
    await folder.write("local", DATA);
    const lines = [`mkdir ${far}`, `put ${local} ${far}/a`, `rename ${far}/a ${far}/b`];
    const more = [`ls ${far}`, `get ${far}/b ${back}`, `rm ${far}/b`, `rmdir ${far}`];
    const ran = await runClient("sftp", server, [...lines, ...more]);
    assertEquals(ran.code, 0, ran.stderr);
    assertEquals(await Deno.readFile(back!), DATA);
  });
}

/** Combines controls: returns the first reason to skip. */
export async function firstOf(
  ...controls: readonly Promise<string | null>[]
): Promise<string | null> {
  const reasons = await Promise.all(controls);
  return reasons.find((reason) => reason !== null) ?? null;
}

async function servesSsh(server: ForeignServer, client: ClientOptions): Promise<void> {
  const ran = await runClient("ssh", server, [COMMAND], { ...client, stdin: DATA });
  assertEquals([ran.code, ran.stderr, ran.stdout], [7, "err\n", DATA], server.log);
}

function shown(options: object): string {
  const { stdin: _, ...told } = options as { stdin?: unknown };
  return JSON.stringify(told);
}
