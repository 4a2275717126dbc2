/** `host.fetch()`: HTTP and HTTPS from the server, through a proxy that others cannot use. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ChannelOpenError, ClosedError } from "../../lib/errors.ts";
import { type HttpClientOptions, HttpTunnel } from "../../lib/forward/http_tunnel.ts";
import { OPEN_FAILURE } from "../../lib/wire/numbers.ts";
import { encode, readAll, sendAll, target, tunnelPair } from "./world.ts";
import { freePort } from "../support/free_port.ts";

/** A self-signed certificate for only `localhost`, valid for a hundred years. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBkTCCATigAwIBAgIUF8u9+WFz1JKokqcNh1Z2vbZfkeYwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEzMDAwNDkyNloYDzIxMjYxMTA2
MDA0OTI2WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAART+OA6ofTBzfLqJUOKyLNH2CkfIe9HXjbQ6Z6GDWqQYDYkZ8nXJ7c9
Glqzvi9kTyjwEQ9cAQHINuGAtgTaq9h5o2YwZDAdBgNVHQ4EFgQUxq8Ex7J1aIHH
2uFlm+LHkUOKi1MwHwYDVR0jBBgwFoAUxq8Ex7J1aIHH2uFlm+LHkUOKi1MwFAYD
VR0RBA0wC4IJbG9jYWxob3N0MAwGA1UdEwEB/wQCMAAwCgYIKoZIzj0EAwIDRwAw
RAIfNNpTVp3R1YhFsCmE1yBNtomqk7JsuIwC7yIjJo5pUgIhAPRAMk6DHPJlhSoT
NyTYXBl2vwqmtxBSEAowqBIY/Xid
-----END CERTIFICATE-----
`;
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg7BH0iEgWxCc1rnHH
4zQR0e97S4c6wV9g00Vb4VNNqm6hRANCAART+OA6ofTBzfLqJUOKyLNH2CkfIe9H
XjbQ6Z6GDWqQYDYkZ8nXJ7c9Glqzvi9kTyjwEQ9cAQHINuGAtgTaq9h5
-----END PRIVATE KEY-----
`;
const quiet = { port: 0, hostname: "127.0.0.1", onListen() {} };

/** A web server that answers with its request. */
function web(tls: { cert?: string; key?: string } = {}) {
  return Deno.serve({ ...quiet, ...tls } as Deno.ServeTcpOptions, async (request) => {
    const { pathname, searchParams } = new URL(request.url);
    const to = searchParams.get("to");
    if (to !== null) return Response.redirect(to);
    return new Response(`${request.method} ${pathname} ${await request.text()}`);
  });
}

/** A pair whose server records the requested targets. */
async function noting() {
  const seen: string[] = [];
  const pair = await tunnelPair({
    serve: {
      forward: {
        local: (to) => {
          if ("path" in to) return false;
          seen.push(`${to.hostname}:${to.port}`);
          return to.hostname !== "forbidden.example";
        },
      },
    },
  });
  return { pair, seen };
}

Deno.test("host.fetch() asks the server to connect, with method, body and redirects", async () => {
  await using one = web();
  await using two = web();
  const { pair, seen } = await noting();
  await using _pair = pair;
  const { host } = pair;
  const first = `http://localhost:${one.addr.port}`;
  const posted = await host.fetch(`${first}/a`, { method: "POST", body: "hello" });
  assertEquals(await posted.text(), "POST /a hello");
  const request = new Request(`${first}/b`, { method: "PUT", body: "again" });
  assertEquals(await (await host.fetch(request)).text(), "PUT /b again");
  const to = `http://127.0.0.1:${two.addr.port}/c`;
  const moved = await host.fetch(new URL(`${first}/?to=${encodeURIComponent(to)}`));
  assertEquals([moved.redirected, await moved.text()], [true, "GET /c "]);
  assertEquals([...new Set(seen)], [`localhost:${one.addr.port}`, `127.0.0.1:${two.addr.port}`]);
});

Deno.test("host.fetch() checks a certificate for the URL's host", async () => {
  await using secure = web({ cert: CERTIFICATE, key: KEY });
  const { port } = secure.addr;
  await using pair = await tunnelPair();
  const { host } = pair;
  await assertRejects(() => host.fetch(`https://localhost:${port}/`), TypeError);
  using client = host.httpClient({ caCerts: [CERTIFICATE] });
  const answer = await host.fetch(`https://localhost:${port}/x`, { client });
  assertEquals(await answer.text(), "GET /x ");
  assertEquals(await (await fetch(`https://localhost:${port}/y`, { client })).text(), "GET /y ");
  await assertRejects(() => host.fetch(`https://127.0.0.1:${port}/`, { client }), TypeError);
});

Deno.test("NO_PROXY does not bypass the server, and is restored afterwards", async () => {
  await using here = web();
  const { pair, seen } = await noting();
  await using _pair = pair;
  const before = Deno.env.get("NO_PROXY");
  Deno.env.set("NO_PROXY", "127.0.0.1,localhost");
  try {
    const answer = await pair.host.fetch(`http://127.0.0.1:${here.addr.port}/`);
    assertEquals(await answer.text(), "GET / ");
    assertEquals(seen, [`127.0.0.1:${here.addr.port}`]);
    assertEquals(Deno.env.get("NO_PROXY"), "127.0.0.1,localhost");
  } finally {
    if (before === undefined) Deno.env.delete("NO_PROXY");
    else Deno.env.set("NO_PROXY", before);
  }
});

Deno.test("host.fetch() rejects with the reason if the server cannot connect", async () => {
  const { pair } = await noting();
  await using _pair = pair;
  const { host } = pair;
  await assertRejects(
    () => host.fetch("http://forbidden.example/"),
    ChannelOpenError,
    "not allowed",
  );
  await assertRejects(() => host.fetch("https://forbidden.example/"), ChannelOpenError);
  await assertRejects(() => host.fetch(`http://127.0.0.1:${freePort()}/`), ChannelOpenError);
  await assertRejects(() => host.fetch(`http://[::1]:${freePort()}/`), ChannelOpenError);
});

Deno.test("A refusal rejects only the host.fetch() that it belongs to", async () => {
  const came = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  await using silent = target(async () => {
    came.resolve();
    await end.promise; // then hangs up
  });
  await using pair = await tunnelPair();
  const { host } = pair;
  const failed = assertRejects(() => host.fetch(`http://${silent.to}/`));
  await came.promise;
  // Another port of the same host.
  await assertRejects(() => host.fetch(`http://127.0.0.1:${freePort()}/`), ChannelOpenError);
  end.resolve();
  assertEquals(await failed instanceof ChannelOpenError, false);
});

Deno.test("host.fetch() accepts only http: and https: URLs, since file: URLs would be local", async () => {
  await using pair = await tunnelPair();
  for (const url of ["file:///etc/passwd", "data:,x"]) {
    await assertRejects(() => pair.host.fetch(url), TypeError, "must be http: or https:");
  }
  await assertRejects(() => pair.host.fetch("/x"), TypeError);
});

Deno.test("A signal ends host.fetch() with its reason, and the end of the connection with that", async () => {
  const came = Promise.withResolvers<void>();
  await using silent = target(async (conn) => {
    came.resolve();
    while (await conn.read(new Uint8Array(1024)) !== null);
  });
  await using pair = await tunnelPair();
  const { host } = pair;
  const url = `http://${silent.to}/`;
  const end = new AbortController();
  const aborted = assertRejects(() => host.fetch(url, { signal: end.signal }), Error, "enough");
  await came.promise;
  end.abort(new Error("enough"));
  await aborted;

  const closed = assertRejects(() => host.fetch(url), ClosedError);
  while (silent.accepted < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  await host.close();
  await closed;
  await assertRejects(() => host.fetch(url), ClosedError);
  assertThrows(() => host.httpClient(), ClosedError);
});

Deno.test("The port of host.fetch() refuses clients without its password", async () => {
  const { listen } = Deno;
  let port = 0;
  Deno.listen = ((options: Deno.TcpListenOptions) => {
    const listener = listen(options);
    port = listener.addr.port;
    return listener;
  }) as typeof Deno.listen;
  const { pair, seen } = await noting();
  await using _pair = pair;
  using _client = pair.host.httpClient();
  Deno.listen = listen;
  assert(port > 0);
  await using here = web();
  const url = `http://127.0.0.1:${here.addr.port}/`;
  const basicAuth = { username: "me", password: "guessed" };
  for (const auth of [{}, { basicAuth }]) {
    using client = Deno.createHttpClient({
      proxy: { url: `socks5h://127.0.0.1:${port}`, ...auth },
    });
    await assertRejects(() => fetch(url, { client }), TypeError);
  }
  assertEquals(seen, []);
});

/** The SOCKS server of a tunnel whose targets are all refused, and what it tells its client. */
async function refusing(tunnel: HttpTunnel): Promise<number[]> {
  const { createHttpClient } = Deno;
  let proxy!: { url: string; basicAuth: { username: string; password: string } };
  Deno.createHttpClient = (options) => {
    proxy = options.proxy as typeof proxy;
    return createHttpClient(options);
  };
  const another = { proxy: { url: "http://proxy.example:3128" } };
  tunnel.client(another as HttpClientOptions).close(); // only ours is used
  Deno.createHttpClient = createHttpClient;
  const { username, password } = proxy.basicAuth;
  using conn = await Deno.connect({
    port: Number(new URL(proxy.url.replace(/^\w+/, "http")).port),
  });
  const name = encode("host.example");
  await sendAll(conn, Uint8Array.of(5, 1, 2));
  await sendAll(conn, Uint8Array.of(1, username.length, ...encode(username)));
  await sendAll(conn, Uint8Array.of(password.length, ...encode(password)));
  await sendAll(conn, Uint8Array.of(5, 1, 0, 3, name.length, ...name, 0, 80));
  return [...await readAll(conn)];
}

const over = new Promise<never>(() => {});

Deno.test("A client of httpClient() learns from the proxy that the server refuses a target", async () => {
  const reason = OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED;
  const dial = () => Promise.reject(new ChannelOpenError(reason, "not allowed"));
  // Two at a time: each has a port.
  const tunnels = [new HttpTunnel(dial, over), new HttpTunnel(dial, over)];
  const FORBIDDEN = 2;
  for (const tunnel of tunnels) {
    const answers = await refusing(tunnel);
    assertEquals(answers, [5, 2, 1, 0, 5, FORBIDDEN, 0, 1, 0, 0, 0, 0, 0, 0]);
  }
  for (const tunnel of tunnels) await tunnel.close();
});

Deno.test("A refusal is compared with the host.fetch() calls under way alone", async () => {
  const tunnel = new HttpTunnel(() => Promise.reject(new Error("refused")), over);
  const { URL } = globalThis;
  let compared = 0;
  globalThis.URL = class extends URL {
    constructor(...args: ConstructorParameters<typeof URL>) {
      super(...args);
      if (/^http:\/\/\[.*\]$/.test(`${args[0]}`)) compared++;
    }
  };
  try {
    for (let call = 1; call <= 3; call++) {
      await assertRejects(() => tunnel.fetch("http://[::1]:8080/"), Error, "refused");
      assertEquals(compared, call);
    }
  } finally {
    globalThis.URL = URL;
    await tunnel.close();
  }
});

Deno.test("A refusal of another host with the same port does not reject a host.fetch()", async () => {
  const asked = Promise.withResolvers<void>();
  const tunnel = new HttpTunnel(({ hostname }, _from, signal) => {
    if (hostname === "b.example") return Promise.reject(new Error("b is refused"));
    asked.resolve();
    return new Promise((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason))
    );
  }, over);
  const end = new AbortController();
  const { signal } = end;
  const aborted = assertRejects(
    () => tunnel.fetch("http://a.example", { signal }),
    Error,
    "enough",
  );
  await asked.promise;
  await assertRejects(() => tunnel.fetch("http://b.example"), Error, "b is refused");
  end.abort(new Error("enough"));
  await aborted;
  await tunnel.close();
});
