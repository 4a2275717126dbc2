/** Functions that need neither files nor ports, and the errors of those that do. */
import { agent, connect, type ConnectOptions, Keyring, loadKey, none } from "@denossh/ssh";
import { Config } from "@denossh/ssh/config";
import { generateKey, importPrivateKey } from "@denossh/ssh/keys";
import { serve, serveStreams } from "@denossh/ssh/server";
import { memoryPair } from "@denossh/ssh/testing";
import { type Login, logIn } from "./client_steps.ts";

/** The results of the steps, as JSON. */
export interface PlatformFindings {
  /** A command's output after a login with a key of an agent in memory. */
  readonly keyring: string;
  /** The host name of an alias, by a configuration in memory. */
  readonly config: string | undefined;
  /** The answer of a server in memory. */
  readonly served: string;
  /** The errors of missing features. */
  readonly errors: {
    readonly files: string;
    readonly forward: string;
    readonly serve: string;
    readonly defaults: string;
    /** Of a TCP connection to a closed port. */
    readonly refused: string;
  };
}

/** Carries out the steps; `carrier` creates the transport of each connection, if not TCP. */
export async function platformSteps(
  login: Login,
  carrier: () => Promise<Partial<ConnectOptions>> = () => Promise.resolve({}),
): Promise<PlatformFindings> {
  using keyring = new Keyring();
  keyring.add(importPrivateKey(login.key));
  await using host = await logIn(login, { auth: [agent(keyring)], ...await carrier() });
  const config = Config.parse("Host alias\n  HostName db.internal");
  return {
    keyring: await host.run("echo by keyring"),
    config: (await config.lookup("alias")).HostName,
    served: await served(),
    errors: {
      files: await failure(() => loadKey("/etc/ssh/key")),
      forward: await failure(() =>
        host.forwardLocal({ from: { port: 0 }, to: "db.internal:5432" })
      ),
      serve: await failure(async () =>
        serve({ hostKeys: [await generateKey()], auth: { none: () => true } })
      ),
      defaults: await failure(() => connect("me@db.internal")),
      refused: await failure(() => logIn({ ...login, port: 1 })),
    },
  };
}

/** A server over streams, and a client of it. */
async function served(): Promise<string> {
  const hostKey = await generateKey();
  const [near, far] = memoryPair();
  const options = { hostKeys: [hostKey], auth: { none: () => true } };
  await using _server = serveStreams(
    far,
    options,
    (session) => session.print(`ran ${session.command}`),
  );
  const trusted = { user: "me", auth: [none()], hostKeys: hostKey.publicKey };
  await using host = await connect({ ...trusted, transport: near });
  return await host.run("uptime");
}

async function failure(run: () => Promise<unknown>): Promise<string> {
  try {
    await run();
    return "nothing";
  } catch (error) {
    return `${error}`;
  }
}
