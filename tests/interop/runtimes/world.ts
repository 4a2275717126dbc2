/** Helpers for the tests of every runtime: the login data of a program, and its expected results. */
import { assertEquals, assertMatch } from "@std/assert";
import { importPublicKey } from "@denossh/ssh/keys";
import type { Sshd } from "../harness/sshd.ts";
import type { Findings, Login } from "../peers/runtimes/client_steps.ts";
import type { PlatformFindings } from "../peers/runtimes/platform_steps.ts";
import { CAPABILITIES, type Capability } from "./table.ts";

/** An echo server. */
export interface Echo extends AsyncDisposable {
  readonly port: number;
}

/** Starts it on loopback. */
export function startEcho(): Echo {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const answering = (async () => {
    for await (const conn of listener) conn.readable.pipeTo(conn.writable).catch(() => {});
  })();
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await answering;
    },
  };
}

/** How a program logs in to the server. */
export async function loginTo(server: Sshd, echo: Echo): Promise<Login> {
  return {
    hostname: server.hostname,
    port: server.port,
    user: server.user,
    key: await Deno.readTextFile(server.identity),
    hostKey: importPublicKey(server.hostKeys.ed25519!.publicKey).fingerprint(),
    folder: server.folder,
    echoPort: echo.port,
  };
}

/** Checks the results of a client's steps. */
export function checkFindings({ server, output, sftp, echo }: Findings): void {
  assertMatch(server, /^SSH-2\.0-OpenSSH/);
  assertEquals(output, "over standard input");
  assertEquals([sftp.onServer, sftp.received], [sftp.sent, sftp.sent]);
  assertEquals(echo, "through the tunnel");
}

/** The features proved by the steps of a client and its platform: all but local files. */
export const IN_MEMORY: readonly Capability[] = CAPABILITIES.filter((name) => name !== "files");

/** Checks the features of a platform without files and ports. */
export function checkPlatform(
  { errors, ...found }: PlatformFindings,
  platform: string,
  refused: RegExp,
): void {
  assertEquals(found, { keyring: "by keyring", config: "db.internal", served: "ran uptime" });
  assertMatch(errors.files, new RegExp(`[Ff]iles are not available on ${platform}: pass keys`));
  assertMatch(
    errors.forward,
    new RegExp(`${platform}.*use host.dial|Sockets are not.*${platform}`),
  );
  assertMatch(errors.serve, new RegExp(`${platform}.*listen|Sockets are not.*${platform}`));
  assertMatch(errors.defaults, new RegExp(`connect\\(\\) needs auth and hostKeys on ${platform}`));
  assertMatch(errors.refused, refused);
}
