import { runtime } from "../runtime/runtime.ts";
import { onAbort } from "../waiting.ts";
import type { HostPort } from "./address.ts";
import type { Tunnel } from "./forwarder.ts";
import { localTunnel } from "./local.ts";
import { type SocksCredentials, type SocksDialer, socksRouter } from "./socks.ts";

/** The options of `Deno.createHttpClient`, without those for a proxy. */
export type HttpClientOptions = Omit<Deno.CreateHttpClientOptions, "proxy" | "localAddress">;

/** The options of `fetch`. */
export type HttpInit = RequestInit & {
  /** A client of `httpClient()`, with separate options. */
  readonly client?: Deno.HttpClient;
};

/** A target to which the server did not connect. */
type Refused = (target: HostPort, error: unknown) => void;

/**
 * Sends HTTP requests through a connection. Deno's HTTP client makes its connections itself, so it uses a
 * SOCKS server on loopback, with a password that other users of the machine do not know.
 */
export class HttpTunnel {
  readonly #tunnel: Tunnel<Deno.NetAddr>;
  readonly #credentials: SocksCredentials = {
    username: crypto.randomUUID(),
    password: crypto.randomUUID(),
  };
  readonly #underWay = new Set<Refused>();
  #client: Deno.HttpClient | null = null;

  /** @param over Resolves with the error that ended the SSH connection */
  constructor(dial: SocksDialer, over: Promise<unknown>) {
    const router = socksRouter(async (target, from, signal) => {
      try {
        return await dial(target, from, signal);
      } catch (error) {
        for (const refused of this.#underWay) refused(target, error);
        throw error;
      }
    }, { credentials: this.#credentials });
    const probe = () => Promise.resolve();
    this.#tunnel = localTunnel({ port: 0 }, router, { over, probe });
    onAbort(this.#tunnel.signal, () => this.#client?.close());
  }

  client(options: HttpClientOptions = {}): Deno.HttpClient {
    this.#tunnel.signal.throwIfAborted();
    const url = `socks5h://127.0.0.1:${this.#tunnel.addr.port}`;
    const { username, password } = this.#credentials;
    const proxy = { url, basicAuth: { username, password } };
    return runtime.net.createHttpClient({ ...options, proxy });
  }

  async fetch(input: string | URL | Request, init: HttpInit = {}): Promise<Response> {
    const url = new URL(input instanceof Request ? input.url : input);
    const { protocol } = url;
    if (protocol !== "http:" && protocol !== "https:") {
      throw new TypeError(
        `Cannot fetch from the server: the URL must be http: or https:, not ${protocol}`,
      );
    }
    const client = init.client ?? (this.#client ??= this.client());
    let refusal: { readonly error: unknown } | null = null;
    const refused: Refused = (target, error) => {
      if (isOf(url, target)) refusal = { error };
    };
    this.#underWay.add(refused);
    try {
      return await fetch(input, { ...init, client });
    } catch (error) {
      // Deno's error says only that no answer arrived.
      this.#tunnel.signal.throwIfAborted();
      throw refusal === null ? error : (refusal as { readonly error: unknown }).error;
    } finally {
      this.#underWay.delete(refused);
    }
  }

  close(): Promise<void> {
    return this.#tunnel.close();
  }
}

/** Whether the target is the host of the URL. */
function isOf({ protocol, hostname, port }: URL, target: HostPort): boolean {
  const host = target.hostname.includes(":")
    ? new URL(`http://[${target.hostname}]`).hostname // in the short form, as URLs have it
    : target.hostname;
  return host === hostname && target.port === Number(port || (protocol === "https:" ? 443 : 80));
}
