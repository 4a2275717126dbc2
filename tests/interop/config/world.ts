/** A server and its configuration file, used by both the command line and the module. */
import { assertEquals } from "@std/assert";
import { type Client, connect } from "../../../mod.ts";
import { cli } from "../../cli/world.ts";
import type { Ran } from "../../support/run.ts";
import { type Sshd, type SshdOptions, startSshd } from "../harness/sshd.ts";
import { type TempFolder, tempFolder } from "../../support/temp.ts";

/** A server, and a file with aliases for it. */
export interface ConfigWorld extends AsyncDisposable {
  readonly server: Sshd;
  readonly folder: TempFolder;
  readonly file: string;
  ssh(...args: string[]): Promise<Ran>;
  connect(alias: string): Promise<Client>;
}

/** Starts it; `more` is placed before the section for all hosts. */
export async function world(
  more: (server: Sshd, folder: string) => string,
  options: SshdOptions = { config: { AcceptEnv: "X_*" } },
): Promise<ConfigWorld> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startSshd(options));
  const folder = stack.use(await tempFolder());
  const file = await folder.write(
    "config",
    `
    ${more(server, folder.path)}
    Host *
      HostName 127.0.0.1
      Port ${server.port}
      User ${server.user}
      IdentityFile ${server.identity}
      IdentitiesOnly yes
      IdentityAgent none
      UserKnownHostsFile ${server.knownHosts}
      GlobalKnownHostsFile none
      UpdateHostKeys no
      BatchMode yes
    `,
  );
  const parts = stack.move();
  return {
    server,
    folder,
    file,
    ssh: (...args: string[]): Promise<Ran> => cli(["ssh", "-F", file, ...args]),
    connect: (alias: string): Promise<Client> => connect(alias, { config: file }),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** A command's output through the command line and through the module. */
export async function both(
  place: ConfigWorld,
  alias: string,
  command: string,
): Promise<[string, string]> {
  const ran = await place.ssh(alias, command);
  assertEquals(ran.code, 0, ran.stderr);
  await using host = await place.connect(alias);
  return [ran.text.trim(), await host.run(command)];
}
