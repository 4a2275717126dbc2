import { RECONNECT_MAX_MS, RESILIENT_KEEPALIVE_MS, TUNNELS_RETRY_MS } from "../defaults.ts";
import { ClosedError, RequestDeniedError } from "../errors.ts";
import {
  type BindAddress,
  bindOf,
  type BindPort,
  type ForwardTarget,
  targetOf,
} from "../forward/address.ts";
import type { CheckOptions, Forwarder } from "../forward/forwarder.ts";
import { tell } from "../listener.ts";
import { onAbort } from "../waiting.ts";
import { type Client, connectedBy } from "./client.ts";
import { connect } from "./connect.ts";
import type { ConnectOptions } from "./options.ts";
import type { ClientState, ResilientOptions } from "./resilience.ts";

/**
 * The host that tunnels go through: `[user@]host[:port]`, options, or a function that connects to it; its
 * client is taken over. After a loss, text and options lead to the same host key, with the credentials that
 * succeeded the first time; a function is called again, and the same host must have the same host key.
 */
export type Gateway = string | ConnectOptions | ((signal: AbortSignal) => Promise<Client>);

/** One tunnel: its listening address and its target. */
export interface TunnelSpec {
  /** The listening address: a port, 0 for a free one, or the path of a Unix socket. */
  readonly from: BindAddress;
  /** The target: `host:port`, or the path of a Unix socket. */
  readonly to: ForwardTarget;
}

/**
 * `"down"`: the gateway was lost, and the client reconnects; `"failed"`: it was lost, and there are no more
 * attempts.
 */
export type TunnelsState = "stopped" | "starting" | "up" | "down" | "failed";

/** The tunnels, and options for reconnecting when the gateway is lost. */
export interface TunnelsOptions {
  /** Tunnels from this side (`ssh -L`). */
  readonly local?: readonly TunnelSpec[];
  /** Tunnels from the gateway (`ssh -R`). */
  readonly remote?: readonly TunnelSpec[];
  /** SOCKS servers on this side (`ssh -D`). */
  readonly socks?: readonly BindPort[];
  /** Whether to reconnect when the gateway is lost; true unless given. */
  readonly reconnect?: boolean;
  /** Milliseconds before the first attempt to reconnect, doubled each time; 1,000 unless given. */
  readonly retryDelay?: number;
  /** The most milliseconds between two attempts; 30,000 unless given. */
  readonly maxRetryDelay?: number;
  /** Called with each change of state and its cause. */
  readonly onState?: (state: TunnelsState, cause?: unknown) => void;
  /** Called with the error of a single connection; for logs. */
  readonly onError?: (error: unknown) => void;
  /** Stops the tunnels when aborted. */
  readonly signal?: AbortSignal;
}

/** Whether one tunnel works. */
export interface TunnelCheck {
  /** The listening address of the tunnel. */
  readonly addr: Deno.Addr;
  /** Whether its target can be reached at the moment. */
  readonly up: boolean;
}

/**
 * Several tunnels through one gateway. They can be started, stopped and restarted, and are restored when
 * the gateway was lost: on the same ports, including free ones that were chosen.
 *
 * @example
 * ```ts
 * import { none, openTunnels } from "@denossh/ssh";
 * import { serve } from "@denossh/ssh/server";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * await using web = Deno.serve({
 *   port: 0,
 *   hostname: "127.0.0.1",
 *   onListen() {},
 * }, () => new Response("hi"));
 * const hostKey = await generateKey();
 * await using gateway = serve({
 *   port: 0,
 *   hostname: "127.0.0.1",
 *   hostKeys: [hostKey],
 *   auth: { none: () => true },
 *   forward: { local: (to) => "port" in to && to.port === web.addr.port },
 * });
 *
 * await using tunnels = await openTunnels({
 *   hostname: "127.0.0.1",
 *   port: gateway.addr.port,
 *   user: "me",
 *   auth: [none()],
 *   hostKeys: hostKey.publicKey,
 * }, { local: [{ from: { port: 0 }, to: `127.0.0.1:${web.addr.port}` }] });
 *
 * const [{ port }] = tunnels.addrs as [Deno.NetAddr];
 * const headers = { connection: "close" };
 * assertEquals(
 *   await (await fetch(`http://127.0.0.1:${port}/`, { headers })).text(),
 *   "hi",
 * );
 * assertEquals((await tunnels.check()).map(({ up }) => up), [true]);
 * await tunnels.restart();
 * assertEquals((tunnels.addrs as [Deno.NetAddr])[0].port, port);
 * ```
 */
export class Tunnels implements AsyncDisposable {
  readonly #connect: Connector;
  readonly #options: TunnelsOptions;
  #state: TunnelsState = "stopped";
  #specs: Required<Pick<TunnelsOptions, "local" | "remote" | "socks">>;
  #client: Client | null = null;
  #forwarders: readonly Forwarder[] = [];
  #addrs: readonly Deno.Addr[] = [];
  #end: AbortController | null = null;
  #opening: Promise<void> = Promise.resolve();
  #running: Promise<void> = Promise.resolve();
  #closed = Promise.withResolvers<void>();

  /** Prepares the tunnels; `start()` starts them. */
  constructor(gateway: Gateway, options: TunnelsOptions) {
    this.#connect = connector(gateway);
    this.#options = options;
    const { local = [], remote = [], socks = [] } = options;
    this.#specs = { local, remote, socks };
    if (local.length + remote.length + socks.length === 0) {
      throw new TypeError("No tunnel given: openTunnels() needs local, remote or socks");
    }
    for (const spec of [...local, ...remote]) checkSpec(spec);
    for (const from of socks) bindOf(from, "");
    this.#closed.promise.catch(() => {});
  }

  /** The state of the tunnels. */
  get state(): TunnelsState {
    return this.#state;
  }

  /** The listening addresses: first of the local tunnels, then of the remote and the SOCKS ones. */
  get addrs(): readonly Deno.Addr[] {
    return this.#addrs;
  }

  /** The tunnels, with their connections and bytes; none unless they are up. */
  get forwarders(): readonly Forwarder[] {
    return this.#state === "up" ? this.#forwarders : [];
  }

  /** Resolves when the tunnels are stopped; rejects with the error that finally ended them. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /**
   * Connects to the gateway and starts every tunnel; has no effect if they are started.
   *
   * @throws {ConnectError} If the gateway cannot be reached
   * @throws {AuthError} If it rejects all credentials
   * @throws {RequestDeniedError} If it refuses to listen
   */
  async start(): Promise<void> {
    if (this.#end) return await this.#opening;
    const { signal: outer } = this.#options;
    outer?.throwIfAborted();
    const end = this.#end = new AbortController();
    const stopping = onAbort(outer, () => void this.stop());
    this.#closed = Promise.withResolvers();
    this.#closed.promise.catch(() => {});
    this.#set("starting");
    const opening = this.#opening = this.#open(end.signal);
    this.#running = opening.then(() => this.#watch(end.signal)).then(
      () => this.#finish("stopped"),
      (error) => this.#finish(end.signal.aborted ? "stopped" : "failed", error),
    ).finally(() => stopping[Symbol.dispose]());
    await opening;
  }

  /** Stops every tunnel and disconnects; `start()` starts them again. */
  async stop(): Promise<void> {
    this.#end?.abort(new ClosedError("The tunnels were stopped"));
    await this.#client?.close();
    await this.#running;
  }

  /**
   * Restarts every tunnel, on its port. A free port of the gateway that was chosen is replaced by another one if
   * the gateway refuses it.
   */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Checks whether each tunnel works, as {@linkcode Forwarder.check} does. */
  async check(options: CheckOptions = {}): Promise<TunnelCheck[]> {
    const forwarders = this.forwarders;
    return await Promise.all(this.#addrs.map(async (addr, at) => ({
      addr,
      up: await forwarders[at]?.check(options) ?? false,
    })));
  }

  /** Stops every tunnel and disconnects. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #open(signal: AbortSignal): Promise<void> {
    const { retryDelay = TUNNELS_RETRY_MS, maxRetryDelay = RECONNECT_MAX_MS } = this.#options;
    const client = await this.#connect({
      attempts: this.#options.reconnect ?? true ? Infinity : 0,
      backoff: (attempt) => Math.min(retryDelay * 2 ** (attempt - 1), maxRetryDelay),
      onState: (state, cause) => this.#changed(state, cause),
    }, signal);
    try {
      signal.throwIfAborted();
      const { onError } = this.#options;
      const more = { signal, ...(onError && { onError }) };
      const { local, remote, socks } = this.#specs;
      const locals = await each(local, (spec) => client.forwardLocal({ ...spec, ...more }));
      const remotes = await each(remote, async (spec, at) => {
        try {
          return await client.forwardRemote({ ...spec, ...more });
        } catch (error) {
          const given = this.#options.remote![at]!;
          if (!(error instanceof RequestDeniedError) || spec.from === given.from) throw error;
          // The gateway may still hold the port for the last connection.
          return await client.forwardRemote({ ...given, ...more });
        }
      });
      const proxies = await each(socks, (spec) => client.forwardSocks({ ...spec, ...more }));
      // Keep free ports that were chosen.
      this.#specs = {
        local: local.map((spec, at) => ({ ...spec, from: kept(spec.from, locals[at]!.addr) })),
        remote: (this.#options.remote ?? []).map((spec, at) => ({
          ...spec,
          from: kept(spec.from, remotes[at]!.addr),
        })),
        socks: socks.map((spec, at) => kept(spec, proxies[at]!.addr)),
      };
      this.#client = client;
      this.#forwarders = [...locals, ...remotes, ...proxies];
      this.#addrs = this.#forwarders.map(({ addr }) => addr);
    } catch (error) {
      await client.close();
      throw error;
    }
    if (client.state === "connected") this.#set("up");
  }

  #changed(state: ClientState, cause: unknown): void {
    if (this.#client === null || state === "closed") return;
    this.#set(state === "connected" ? "up" : "down", cause);
  }

  /** Waits for the final end of the gateway. */
  async #watch(signal: AbortSignal): Promise<void> {
    const lost = await this.#client!.closed.catch((error) => error);
    // Wait until the ports are free before reporting the end.
    await Promise.all(this.#forwarders.map((forwarder) => forwarder.close()));
    if (!signal.aborted) throw lost ?? new ClosedError("The gateway was disconnected");
  }

  #finish(state: "stopped" | "failed", error?: unknown): void {
    this.#end = null;
    this.#client = null;
    this.#forwarders = [];
    if (state === "failed") this.#closed.reject(error);
    else this.#closed.resolve();
    this.#set(state, error);
  }

  #set(state: TunnelsState, cause?: unknown): void {
    this.#state = state;
    tell(this.#options.onState, state, cause);
  }
}

/**
 * Opens tunnels through a gateway, like `sshtunnel.open_tunnel`, and keeps them open: if the gateway is
 * lost, it reconnects.
 *
 * @throws {TypeError} If no tunnel is given
 * @throws {ConnectError} If the gateway cannot be reached
 * @throws {AuthError} If it rejects all credentials
 * @throws {RequestDeniedError} If it refuses to listen
 *
 * @example
 * ```ts
 * import { openTunnels } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using pair = await connectedPair({
 *   serve: { forward: { local: () => true } },
 * });
 * const gateway = () => Promise.resolve(pair.host); // or "ops@bastion"
 * await using tunnels = await openTunnels(gateway, { socks: [{ port: 0 }] });
 * assertEquals([tunnels.state, tunnels.addrs.length], ["up", 1]);
 * ```
 */
export async function openTunnels(gateway: Gateway, options: TunnelsOptions): Promise<Tunnels> {
  const tunnels = new Tunnels(gateway, options);
  await tunnels.start();
  return tunnels;
}

/** @throws {TypeError | RangeError} If an end of a tunnel is missing or invalid */
function checkSpec({ from, to }: TunnelSpec): void {
  if (!from || !to) throw new TypeError('A tunnel must be { from: { port }, to: "host:port" }');
  bindOf(from, "");
  targetOf(to);
}

/** Connects to the gateway; the client reconnects if it is lost. */
type Connector = (options: ResilientOptions, signal: AbortSignal) => Promise<Client>;

function connector(gateway: Gateway): Connector {
  if (typeof gateway === "function") {
    return (options, signal) => connectedBy(gateway, options, signal);
  }
  // Without keepalives, the silent loss of a gateway would never be noticed.
  const own = { keepaliveInterval: RESILIENT_KEEPALIVE_MS, controlPath: false } as const;
  if (typeof gateway === "string") {
    return (resilient, signal) => connect(gateway, { ...own, resilient, signal });
  }
  const options = { ...own, ...gateway };
  // `connect()` cannot repeat these by itself.
  if (options.controlPath || isOneConnection(options)) {
    return connector((signal) => connect({ ...options, signal }));
  }
  return (resilient, signal) => connect({ ...options, resilient, signal });
}

function isOneConnection({ transport }: ConnectOptions): boolean {
  return transport !== undefined && typeof transport !== "function";
}

/** One after the other, so that ports are taken in the order of the specs. */
async function each<S, F extends Forwarder>(
  specs: readonly S[],
  start: (spec: S, at: number) => Promise<F>,
): Promise<F[]> {
  const started: F[] = [];
  for (const [at, spec] of specs.entries()) started.push(await start(spec, at));
  return started;
}

function kept<B extends BindAddress>(from: B, addr: Deno.Addr): B {
  const isChosen = "port" in from && from.port === 0 && addr.transport === "tcp";
  return isChosen ? { ...from, port: addr.port } : from;
}
