/**
 * A server on loopback that answers each connection at the end of its input, with the number of bytes. An
 * HTTP server may drop a connection whose input ends before the answer.
 */
export function countingServer(): Disposable & { readonly port: number } {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const serve = async () => {
    for await (const conn of listener) answer(conn).catch(() => {}); // the client has left
  };
  serve().catch(() => {}); // closed
  return {
    port: listener.addr.port,
    [Symbol.dispose]: () => listener.close(),
  };
}

async function answer(conn: Deno.Conn): Promise<void> {
  using _conn = conn;
  const input = new Uint8Array(1024);
  let bytes = 0;
  for (let n; (n = await conn.read(input)) !== null;) bytes += n;
  await conn.write(new TextEncoder().encode(`${bytes} bytes`));
}
