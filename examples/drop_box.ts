/**
 * A drop-box: each user has a folder with a quota, and every change is logged as a line of JSON. Each
 * user's keys are in a file of KEYS.
 *
 *     deno run --allow-net --allow-read --allow-write --allow-sys=uid \
 *       examples/drop_box.ts FOLDER KEYS [PORT] [HOST_KEY]
 *
 * Try it: `sftp -P 2222 ann@localhost`, and there `put report.pdf` and `df`.
 */
import {
  authorizedKeys,
  hostKeyFile,
  type Login,
  serve,
  type SftpService,
} from "@denossh/ssh/server";
import { localFiles } from "@denossh/ssh/sftp";

const [folder = "drops", keys = "keys", port = "2222", hostKey = "drop_host_key"] = Deno.args;
const QUOTA = { bytes: 64 * 1024 * 1024, files: 1_000 };
/** Requests that change nothing, and single writes, whose sum is logged at `close`. */
const UNLOGGED = /^(init|realpath|l?stat|fstat|opendir|readdir|read|write|limits|statvfs)$/;

/** The folder that a user sees as `/`. */
function box({ user }: Login): SftpService {
  const root = `${folder}/${user}`;
  Deno.mkdirSync(root, { recursive: true });
  return {
    backend: localFiles({ root, quota: QUOTA }),
    onRequest({ request, path, target, transferred, status }) {
      if (UNLOGGED.test(request)) return;
      const what = { user, request, path, target, written: transferred?.written, status };
      console.log(JSON.stringify({ time: new Date().toISOString(), ...what }));
    },
  };
}

/** Reads a user's keys from the file with that name. */
function keysOf(user: string): Promise<string | null> | null {
  return /^[\w-]+$/.test(user) ? Deno.readTextFile(`${keys}/${user}`).catch(() => null) : null;
}

await using server = serve({
  port: Number(port),
  hostname: "127.0.0.1",
  hostKeys: [await hostKeyFile(hostKey)],
  auth: { publicKey: authorizedKeys(keysOf) },
  sftp: box,
  onListen: ({ port }) => console.log(`Listening on port ${port}`),
  onAttempt: ({ user, accepted }) => console.log(JSON.stringify({ user, login: accepted })),
});
await server.finished;
