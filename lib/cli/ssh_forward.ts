import type { Client } from "../client/client.ts";
import type { ForwardTarget } from "../forward/address.ts";
import { messageOf } from "./failure.ts";
import type { ForwardSpec } from "./forward_specs.ts";
import type { Log } from "./log.ts";
import { drain } from "./pipes.ts";

/** Tunnels at work; disposing of them ends them. */
export interface Forwards extends AsyncDisposable {
  /** Whether every one that was asked for works. */
  readonly complete: boolean;
}

/** Starts the tunnels; one that cannot start is reported and left out. */
export async function startForwards(
  client: Client,
  specs: readonly ForwardSpec[],
  log: Log,
): Promise<Forwards> {
  const stack = new AsyncDisposableStack();
  let complete = true;
  for (const spec of specs) {
    try {
      const tunnel = stack.use(await start(client, spec, log));
      if (spec.kind === "remote" && tunnel.addr.transport === "tcp" && isFree(spec)) {
        log.info(`Allocated port ${tunnel.addr.port} for remote forward to ${spec.to}`);
      }
      log.verbose(`${spec.kind} forwarding from ${describe(tunnel.addr)}`);
    } catch (error) {
      complete = false;
      log.info(`Warning: ${spec.kind} forwarding failed: ${messageOf(error)}`);
    }
  }
  return { complete, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** -W: standard input and output are a connection from the far side. */
export async function relay(client: Client, to: ForwardTarget): Promise<void> {
  await using conn = await client.dial(to);
  const sending = Deno.stdin.readable.pipeTo(conn.writable, { preventCancel: true });
  // The far side may close first; what is still typed has nowhere to go then.
  sending.catch(() => {});
  await drain((into) => conn.read(into), Deno.stdout);
}

function start(client: Client, spec: ForwardSpec, log: Log) {
  const onError = (error: unknown) => log.verbose(`${spec.kind} forwarding: ${messageOf(error)}`);
  switch (spec.kind) {
    case "local":
      return client.forwardLocal({ from: spec.from, to: spec.to, onError });
    case "remote":
      return client.forwardRemote({ from: spec.from, to: spec.to, onError });
    case "socks":
      return client.forwardSocks({ ...spec.from, onError });
  }
}

function isFree(spec: ForwardSpec): spec is ForwardSpec & { to: string } {
  return "port" in spec.from && spec.from.port === 0;
}

function describe(addr: Deno.Addr): string {
  return addr.transport === "tcp" ? `${addr.hostname}:${addr.port}` : JSON.stringify(addr);
}
