import { type ForeignServer, writeKnownHosts } from "../../support/endpoint.ts";
import { freePort } from "../../support/free_port.ts";
import { Program } from "../../support/program.ts";
import { must } from "../../support/run.ts";
import { tempFolder } from "../../support/temp.ts";
import { hostKeys } from "./keys.ts";
import { requirePeer } from "./peers.ts";

const USER = "tester";
const PASSWORD = "secret";

/**
 * Starts ProFTPD's SFTP server on loopback; it serves the machine's files as root, so it needs root.
 *
 * @param directives Lines added to its configuration, such as limits
 */
export async function startProftpd(directives = ""): Promise<ForeignServer> {
  await using stack = new AsyncDisposableStack();
  const proftpd = await requirePeer("proftpd");
  const folder = stack.use(await tempFolder());
  const keys = await hostKeys(["rsa"]);
  const port = freePort();
  const hash = (await must("openssl", ["passwd", "-6", PASSWORD])).text.trim();
  await folder.write("passwd", `${USER}:${hash}:0:0::${folder.path}:/bin/sh\n`);
  await folder.write("host", await Deno.readTextFile(keys.rsa!.path));
  const config = await folder.write(
    "proftpd.conf",
    `
    ServerType standalone
    DefaultAddress 127.0.0.1
    Port ${port}
    User root
    Group root
    ModulePath /usr/lib/proftpd
    LoadModule mod_sftp.c
    SFTPEngine on
    SFTPLog ${folder.join("log")}
    SFTPHostKey ${folder.join("host")}
    SFTPAuthMethods password
    AuthUserFile ${folder.join("passwd")}
    AuthOrder mod_auth_file.c
    RequireValidShell off
    RootLogin on
    WtmpLog off
    TransferLog none
    PidFile ${folder.join("pid")}
    ScoreboardFile ${folder.join("scoreboard")}
    AllowOverwrite on
    UseIPv6 off
    <IfModule mod_delay.c>
      DelayEngine off
    </IfModule>
    ${directives}
  `,
  );
  const program = stack.use(new Program(proftpd, { args: ["-n", "-c", config] }));
  await program.waitFor(/ProFTPD .* STARTUP|standalone mode/);
  const knownHosts = await writeKnownHosts(folder, port, [keys.rsa!.publicKey]);
  const parts = stack.move();
  return {
    hostname: "127.0.0.1",
    port,
    user: USER,
    password: PASSWORD,
    knownHosts,
    hostKeys: keys,
    pid: program.pid,
    get log() {
      return program.log;
    },
    waitFor: (pattern, ms) => program.waitFor(pattern, ms),
    kill: (signal) => program.kill(signal),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
