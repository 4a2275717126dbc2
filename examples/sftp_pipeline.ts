/**
 * Copies files between the web and a server, without a local copy and with only a few megabytes of memory:
 *
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh \
 *       examples/sftp_pipeline.ts https://example.com/dump.sql ops@db1:/restore/dump.sql
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh \
 *       examples/sftp_pipeline.ts ops@db1:/var/log/app.log https://logs.example.com/app.log.gz
 */
import { connect, type SftpClient } from "@denossh/ssh";

const [from, to] = Deno.args;
const isUrl = (text: string | undefined) => /^https?:/.test(text ?? "");
if (from === undefined || to === undefined || isUrl(from) === isUrl(to)) {
  console.error("usage: sftp_pipeline.ts URL [user@]host[:port]:path, or the other way round");
  Deno.exit(2);
}
const [, target, path] = /^(.+):([^:]+)$/.exec(isUrl(from) ? to : from) ?? [];

/** Fetches a file to the server; it gets its name when it is complete. */
async function download(sftp: SftpClient): Promise<string> {
  const response = await fetch(from!);
  if (!response.ok || response.body === null) throw new Error(`${from}: ${response.status}`);
  const { bytes } = await sftp.put(response.body, path!);
  return `${bytes} bytes fetched`;
}

/** Sends a file of the server, compressed. */
async function upload(sftp: SftpClient): Promise<string> {
  await using file = await sftp.open(path!);
  let bytes = 0;
  const counter = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(chunk, out) {
      bytes += chunk.length;
      out.enqueue(chunk);
    },
  });
  const body = file.readable.pipeThrough(new CompressionStream("gzip")).pipeThrough(counter);
  const response = await fetch(to!, { method: "PUT", body });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`${to}: ${response.status}`);
  return `${bytes} bytes sent`;
}

await using host = await connect(target!);
await using sftp = await host.sftp();
console.log(await (isUrl(from) ? download(sftp) : upload(sftp)));
