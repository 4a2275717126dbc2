/**
 * The command-line tool: `ssh`, `sftp`, `scp`, `sftp-server`, `tunnel`, `fleet`, `serve` and `keygen`, with
 * OpenSSH's flags.
 *
 * ```sh
 * deno run -A jsr:@denossh/ssh/cli ssh -p 2222 deploy@example.com uptime
 * deno install -g -A -n denossh jsr:@denossh/ssh/cli
 * ```
 *
 * `denossh --help` lists the tools, and `denossh ssh --help` the flags of one.
 *
 * @module
 */
import { runtime } from "../runtime/runtime.ts";
import { print } from "./shared/log.ts";
import { VERSION } from "./shared/version.ts";

/** The tools; each is loaded only when it runs. */
const TOOLS: Readonly<Record<string, () => Promise<Tool>>> = {
  ssh: async () => {
    const { ssh, SSH_HELP } = await import("./ssh/ssh.ts");
    return { run: ssh, help: SSH_HELP };
  },
  sftp: async () => {
    const { sftp, SFTP_HELP } = await import("./sftp/sftp.ts");
    return { run: sftp, help: SFTP_HELP };
  },
  scp: async () => {
    const { scp, SCP_HELP } = await import("./scp/scp.ts");
    return { run: scp, help: SCP_HELP };
  },
  "sftp-server": async () => {
    const { sftpServer, SFTP_SERVER_HELP } = await import("./serve/sftp_server.ts");
    return { run: sftpServer, help: SFTP_SERVER_HELP };
  },
  tunnel: async () => {
    const { tunnel, TUNNEL_HELP } = await import("./tunnel/tunnel.ts");
    return { run: tunnel, help: TUNNEL_HELP };
  },
  fleet: async () => {
    const { fleetCommand, FLEET_HELP } = await import("./fleet/fleet.ts");
    return { run: fleetCommand, help: FLEET_HELP };
  },
  serve: async () => {
    const { serveCommand, SERVE_HELP } = await import("./serve/serve.ts");
    return { run: serveCommand, help: SERVE_HELP };
  },
  keygen: async () => {
    const { keygen, KEYGEN_HELP } = await import("./keygen/keygen.ts");
    return { run: keygen, help: KEYGEN_HELP };
  },
};

const HELP = `usage: denossh <tool> [arguments]

  ssh          run a command or a shell on a server
  sftp         transfer files interactively or from a batch file
  scp          copy files between machines
  tunnel       keep tunnels through a gateway up
  fleet        run a command on many hosts
  sftp-server  serve SFTP on standard input and output, started by an SSH server
  serve        run an SSH server for commands and files
  keygen       make, change and show keys; certify keys; sign files

denossh <tool> --help prints the flags of a tool; denossh --version the version.
`;

/** The exit code for a wrong command line. */
const USAGE = 2;

interface Tool {
  readonly run: (args: readonly string[]) => Promise<number>;
  readonly help: string;
}

/**
 * Runs a tool.
 *
 * @param args The tool's name and its arguments
 * @returns The exit code
 *
 * @example
 * ```ts
 * import { main } from "@denossh/ssh/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(await main(["--version"]), 0);
 * ```
 */
export async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === "--help" || name === "-h" || name === "help") {
    await print(HELP);
    return 0;
  }
  if (name === "--version" || name === "-V") {
    await print(`denossh ${VERSION}\n`);
    return 0;
  }
  if (name === undefined || !Object.hasOwn(TOOLS, name)) {
    const why = name === undefined ? "" : `denossh: unknown tool "${name}"\n`;
    await runtime.terminal.stderr.write(new TextEncoder().encode(why + HELP));
    return USAGE;
  }
  const tool = await TOOLS[name]!();
  if (rest[0] === "--help") {
    await print(tool.help);
    return 0;
  }
  return await tool.run(rest);
}

if (import.meta.main) {
  // Exits explicitly, because a read of standard input may still be pending. Not awaited, because a module
  // that awaits cannot be loaded by require().
  main(runtime.process.args).then((code) => runtime.process.exit(code));
}
