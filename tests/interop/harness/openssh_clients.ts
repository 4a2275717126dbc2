/** OpenSSH's and Dropbear's clients, isolated from the user's configuration, keys and agent. */
import type { Endpoint } from "../../support/endpoint.ts";
import { configFlags } from "../../support/ssh_flags.ts";
import { requirePeer } from "./peers.ts";
import { must, type Ran, run, type RunOptions } from "../../support/run.ts";
import { tempFolder } from "../../support/temp.ts";

/** How to run an OpenSSH client. */
export interface ClientOptions extends RunOptions {
  /** Any keywords of ssh_config, such as `Ciphers`; they override the harness's. */
  config?: Readonly<Record<string, string | number>>;
  /** Flags before the destination, such as `-tt` or `-L`. */
  flags?: readonly string[];
}

/**
 * Runs `ssh` (the arguments are the command), `sftp` (the arguments are its batch commands) or `scp`
 * (a path that begins with `remote:` is on the server).
 */
export async function runClient(
  program: "ssh" | "sftp" | "scp",
  endpoint: Endpoint,
  args: readonly string[],
  options: ClientOptions = {},
): Promise<Ran> {
  await using folder = await tempFolder();
  const path = await requirePeer(program);
  const flags = [...configFlags(endpoint, options.config), ...options.flags ?? []];
  const destination = `${endpoint.user}@${endpoint.hostname}`;
  const env = { ...await askPassword(endpoint, folder), ...options.env };
  switch (program) {
    case "ssh":
      return await run(path, [...flags, destination, ...args], { ...options, env });
    case "sftp": {
      const stdin = args.map((line) => `${line}\n`).join("");
      // BatchMode, which -b sets, forbids password prompts: then the commands are passed as keystrokes.
      const batch = endpoint.identity === undefined ? [] : ["-b", "-"];
      return await run(path, [...batch, ...flags, destination], { ...options, env, stdin });
    }
    case "scp": {
      const paths = args.map((arg) => arg.replace(/^remote:/, `${destination}:`));
      return await run(path, [...flags, ...paths], { ...options, env });
    }
  }
}

/** Runs Dropbear's client; any host key is accepted. */
export async function runDbclient(
  endpoint: Endpoint,
  args: readonly string[],
  options: ClientOptions = {},
): Promise<Ran> {
  await using folder = await tempFolder();
  const flags = ["-y", "-y", "-p", `${endpoint.port}`, ...options.flags ?? []];
  const env: Record<string, string> = { HOME: folder.path, ...options.env };
  if (endpoint.identity !== undefined) {
    const own = folder.join("identity");
    await must("dropbearconvert", ["openssh", "dropbear", endpoint.identity, own]);
    flags.push("-i", own);
  } else if (endpoint.password !== undefined) {
    env["DROPBEAR_PASSWORD"] = endpoint.password;
  }
  const destination = `${endpoint.user}@${endpoint.hostname}`;
  const path = await requirePeer("dbclient");
  return await run(path, [...flags, destination, ...args], { ...options, env });
}

/** Lets `ssh` ask a program for the password, since there is no terminal. */
async function askPassword(
  endpoint: Endpoint,
  folder: { write(name: string, text: string, mode: number): Promise<string> },
): Promise<Record<string, string>> {
  const secrets = endpoint.answers ?? (endpoint.password === undefined ? [] : [endpoint.password]);
  if (secrets.length === 0) return {};
  // One answer per line, in order; each question runs the program again.
  const answers = await folder.write("answers", secrets.map((line) => `${line}\n`).join(""), 0o600);
  const script = `#!/bin/sh\nhead -n 1 "${answers}"\nsed -i 1d "${answers}"\n`;
  const program = await folder.write("askpass", script, 0o700);
  return { SSH_ASKPASS: program, SSH_ASKPASS_REQUIRE: "force", DISPLAY: "none" };
}
