/** Our server on standard streams, for OpenSSH's `sftp -D`: `stdio_server.ts ROOT [options]`. */
import { localFiles, serveSftp, streamChannel } from "../../../lib/sftp/mod.ts";

const [root = ".", ...flags] = Deno.args;
const [, bytes] = /--quota=(\d+)/.exec(flags.join(" ")) ?? [];
await serveSftp(
  streamChannel(Deno.stdin.readable, Deno.stdout.writable),
  localFiles({
    root,
    readOnly: flags.includes("--read-only"),
    ...(bytes !== undefined && { quota: { bytes: Number(bytes) } }),
  }),
);
