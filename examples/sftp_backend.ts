/**
 * Serves files from this program's memory, read-only and without authentication:
 *
 *     deno run --allow-net examples/sftp_backend.ts 2222
 */
import { serve } from "@denossh/ssh/server";
import { generateKey } from "@denossh/ssh/keys";
import { type SftpBackend, SftpError, type SftpFileInfo, SftpStatus } from "@denossh/ssh/sftp";

const files = new Map([
  ["hello.txt", new TextEncoder().encode("hello\n")],
  ["numbers.csv", new TextEncoder().encode("1,2,3\n4,5,6\n")],
]);

function infoOf(name: string): SftpFileInfo {
  const bytes = files.get(name);
  if (name !== "" && !bytes) {
    throw new SftpError(SftpStatus.NO_SUCH_FILE, "stat", name, "No such file");
  }
  return {
    isFile: bytes !== undefined,
    isDirectory: bytes === undefined,
    isSymlink: false,
    size: bytes?.length ?? 0,
    mode: bytes ? 0o100444 : 0o40555,
    ...{ mtime: new Date(), atime: new Date(), uid: 0, gid: 0 },
  };
}

const nameOf = (path: string) => path.replace(/^[./]+/, "");

// Methods left out are answered with "operation not supported".
const backend: SftpBackend = {
  realPath: (path) => Promise.resolve(`/${nameOf(path)}`),
  stat: async (path) => await infoOf(nameOf(path)),
  async *readDir() {
    for (const name of files.keys()) yield { name, info: infoOf(name) };
  },
  async open(path) {
    const bytes = files.get(nameOf(path)) ?? new Uint8Array(0);
    const info = await infoOf(nameOf(path));
    return {
      parallel: true, // several reads may run in parallel
      read(into, offset) {
        const piece = bytes.subarray(offset, offset + into.length);
        into.set(piece);
        return piece.length;
      },
      write: () => Promise.reject(new Deno.errors.PermissionDenied()),
      setStat: () => Promise.reject(new Deno.errors.PermissionDenied()),
      stat: () => Promise.resolve(info),
      close: () => Promise.resolve(),
    };
  },
};

await using server = serve({
  port: Number(Deno.args[0] ?? 0),
  hostKeys: [await generateKey("ed25519")],
  auth: { none: () => true },
  sftp: backend,
});
console.log(`Listening on port ${server.addr.port}`);
await server.finished;
