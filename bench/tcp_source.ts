/**
 * A TCP server at the end of tunnels. The client sends a count in eight bytes and gets as many zeros;
 * with a count of zero the client sends data and gets the number of bytes received.
 */
const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
console.log(listener.addr.port);
const zeros = new Uint8Array(256 * 1024);

for await (const conn of listener) serve(conn).catch((error) => console.error(error));

async function serve(conn: Deno.Conn): Promise<void> {
  using _ = conn;
  const head = new Uint8Array(8);
  for (let n = 0; n < 8;) n += await conn.read(head.subarray(n)) ?? 8;
  let left = Number(new DataView(head.buffer).getBigUint64(0));
  if (left === 0) return await sink(conn);
  while (left > 0) left -= await conn.write(zeros.subarray(0, Math.min(left, zeros.length)));
}

async function sink(conn: Deno.Conn): Promise<void> {
  let bytes = 0n;
  const into = new Uint8Array(256 * 1024);
  for (let n; (n = await conn.read(into)) !== null;) bytes += BigInt(n);
  const answer = new Uint8Array(8);
  new DataView(answer.buffer).setBigUint64(0, bytes);
  await conn.write(answer);
}
