/**
 * Relays the streams of WebTransport sessions to a TCP server on loopback: `CERTIFICATE KEY PORT`, with the
 * files of the certificate and its key. Needs `--unstable-net`.
 */
const [certificate, privateKey, port] = Deno.args;
const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
const listener = endpoint.listen({
  cert: await Deno.readTextFile(certificate!),
  key: await Deno.readTextFile(privateKey!),
  alpnProtocols: ["h3"],
});
console.log(JSON.stringify({ port: endpoint.addr.port }));
for (;;) {
  const connection = await (await listener.incoming()).accept();
  serveSession(connection).catch((error) => console.error(error));
}

async function serveSession(connection: Deno.QuicConn): Promise<void> {
  const session = await Deno.upgradeWebTransport(connection);
  await session.ready;
  for await (const stream of session.incomingBidirectionalStreams) {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
    stream.readable.pipeTo(conn.writable).catch(() => {});
    conn.readable.pipeTo(stream.writable).catch(() => {});
  }
}
