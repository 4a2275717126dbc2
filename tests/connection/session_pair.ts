/** A session with both ends in this process, so that a test can take either role. */
import type { Channel } from "../../lib/connection/channel.ts";
import type { Session } from "../../lib/session/session.ts";
import { connectedPair, type ConnectedPairOptions } from "../../lib/testing/connected_pair.ts";

export interface SessionPair extends AsyncDisposable {
  /** The client's end, its shell running. */
  readonly client: Channel;
  /** The server's end. */
  readonly server: Channel;
  /** The server's session. */
  readonly session: Session;
  /** The result of the server's handler. */
  exit(code: number): void;
}

/** Opens it; the windows of both ends are of `window` bytes. */
export async function sessionPair(
  { window, ...options }: ConnectedPairOptions & { window?: number } = {},
): Promise<SessionPair> {
  await using stack = new AsyncDisposableStack();
  const arrived = Promise.withResolvers<Session>();
  const over = Promise.withResolvers<number>();
  const pair = stack.use(
    await connectedPair({
      ...options,
      connect: { ...(window !== undefined && { window }), ...options.connect },
      serve: { ...(window !== undefined && { window }), ...options.serve },
      handler: (session) => {
        arrived.resolve(session);
        return over.promise;
      },
    }),
  );
  stack.defer(() => over.resolve(0));
  const client = stack.use(await pair.host.openSession());
  await client.shell();
  const session = await arrived.promise;
  const parts = stack.move();
  return {
    client,
    server: session.channel,
    session,
    exit: (code) => over.resolve(code),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** Runs a test with each end as `ours`. */
export function inBothRoles(
  name: string,
  test: (ours: Channel, theirs: Channel, role: "client" | "server") => Promise<void>,
  options: Parameters<typeof sessionPair>[0] = {},
): void {
  for (const role of ["client", "server"] as const) {
    Deno.test(`${name} (${role})`, async () => {
      await using pair = await sessionPair(options);
      if (role === "client") await test(pair.client, pair.server, role);
      else await test(pair.server, pair.client, role);
    });
  }
}
