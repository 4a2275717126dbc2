/** A TCP proxy for benchmarks that adds a delay to each direction and limits the rate. */

/** The properties of the path. */
export interface Path {
  /** Milliseconds of delay in each direction: half of the round trip. */
  readonly delay: number;
  /** Bytes a second in each direction; no limit unless given. */
  readonly rate?: number;
  /** Whether the rate applies to each connection; otherwise all connections share it. */
  readonly each?: boolean;
}

/** A proxy that listens on loopback. */
export interface DelayProxy extends AsyncDisposable {
  readonly port: number;
}

/** Data in flight that the path holds before it stops reading: more than any window. */
const IN_FLIGHT = 512 * 1024 * 1024;

/** Starts a proxy to a port of this machine. */
export function delayProxy(target: number, path: Path): DelayProxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const conns = new Set<Deno.TcpConn>();
  const [up, down] = [{ free: 0 }, { free: 0 }];
  const done = (async () => {
    for await (const near of listener) {
      const far = await Deno.connect({ hostname: "127.0.0.1", port: target });
      for (const conn of [near, far]) {
        conn.setNoDelay(true);
        conns.add(conn);
      }
      carry(near, far, path, path.each ? { free: 0 } : up);
      carry(far, near, path, path.each ? { free: 0 } : down);
    }
  })().catch(() => {});
  return {
    port: (listener.addr as Deno.NetAddr).port,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const conn of conns) {
        try {
          conn.close();
        } catch {
          // The other direction has already closed it.
        }
      }
      await done;
    },
  };
}

/** @param link Milliseconds at which the link has sent everything queued */
async function carry(
  from: Deno.TcpConn,
  to: Deno.TcpConn,
  { delay, rate }: Path,
  link: { free: number },
): Promise<void> {
  const queue: { due: number; data: Uint8Array }[] = [];
  let bytes = 0;
  let ended = false;
  let news = Promise.withResolvers<void>();
  const wake = () => {
    news.resolve();
    news = Promise.withResolvers();
  };
  const send = async () => {
    for (;;) {
      const next = queue.shift();
      if (next === undefined) {
        if (ended) break;
        await news.promise;
        continue;
      }
      const wait = next.due - performance.now();
      if (wait > 0.5) await new Promise((resolve) => setTimeout(resolve, wait));
      for (let at = 0; at < next.data.length;) at += await to.write(next.data.subarray(at));
      bytes -= next.data.length;
      wake();
    }
    await to.closeWrite();
  };
  const sending = send().catch(() => {});
  const buffer = new Uint8Array(256 * 1024);
  try {
    for (let n; (n = await from.read(buffer)) !== null;) {
      const now = performance.now();
      link.free = rate === undefined ? now : Math.max(link.free, now) + n / rate * 1000;
      queue.push({ due: link.free + delay, data: buffer.slice(0, n) });
      bytes += n;
      wake();
      while (bytes > IN_FLIGHT) await news.promise;
    }
  } catch {
    // A reset closes both directions.
  }
  ended = true;
  wake();
  await sending;
}

if (import.meta.main) {
  const [target, delay, rate] = Deno.args.map(Number);
  const each = Deno.args[3] === "each";
  const proxy = delayProxy(target!, { delay: delay!, each, ...(rate && { rate }) });
  console.log(proxy.port);
}
