/** Refusals without a reason: one look at the server finds it, and a failed look changes nothing. */
import { assertEquals, assertRejects } from "@std/assert";
import { SftpClient, SftpError, type SftpFileSystem } from "@denossh/ssh/sftp";
import { wireFileSystem } from "../../lib/sftp/protocol/file_system.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { EXTENSION, FXP } from "../../lib/sftp/protocol/numbers.ts";
import { MemoryServer } from "./memory_server.ts";
import { channelTo, type RawMessage, type RawPeer, status } from "./raw.ts";
import { plainMessage } from "../../lib/error_messages.ts";

const ROOMY: SftpFileSystem = {
  blockSize: 4096,
  fragmentSize: 4096,
  blocks: 1000,
  freeBlocks: 500,
  availableBlocks: 500,
  files: 100,
  freeFiles: 50,
  availableFiles: 50,
  id: 1n,
  readOnly: false,
  noSetuid: false,
  maxNameLength: 255,
};

/** Options of the test server. */
interface Quirks {
  /** Requests that it refuses. */
  readonly refuses?: readonly number[];
  /** Its text of a failure. */
  readonly words?: string;
  /** Its file system; null if it does not support statvfs. */
  readonly system?: Partial<SftpFileSystem> | null;
}

async function client({ refuses = [], words = "Failure", system = {} }: Quirks = {}) {
  const server = new MemoryServer();
  server.add("/file", new Uint8Array(3));
  server.folders.set("/full", 0o755);
  server.folders.set("/empty", 0o755);
  server.add("/full/one", new Uint8Array(0));
  const requests: number[] = [];
  const answer = async (request: RawMessage, peer: RawPeer) => {
    const { type, id, body } = request;
    requests.push(type);
    if (refuses.includes(type)) return await peer.send(status(id, 4, words));
    if (type !== FXP.EXTENDED || msg.Extended.decode(body).request !== EXTENSION.STATVFS) {
      return await server.answer(request, peer);
    }
    const data = msg.FileSystem.encode(wireFileSystem({ ...ROOMY, ...system }));
    await peer.send(msg.ExtendedReply.encode(id, { data }));
  };
  const extensions: [string, string][] = system === null ? [] : [[EXTENSION.STATVFS, "2"]];
  const { channel } = channelTo(answer, { extensions });
  return { sftp: await SftpClient.open(channel), requests };
}

const { MKDIR, OPEN, REMOVE, RENAME, RMDIR, SETSTAT, SYMLINK, WRITE, LSTAT, OPENDIR } = FXP;
const some = new Uint8Array(10);

const CASES: [what: string, (sftp: SftpClient) => Promise<unknown>, string, Quirks?][] = [
  ["mkdir of a folder", (sftp) => sftp.mkdir("/full"), 'mkdir "/full" …: it exists already'],
  [
    "mkdir -p of a file",
    (sftp) => sftp.mkdir("/file", { recursive: true }),
    'mkdir "/file" …: it exists already',
  ],
  [
    "a symbolic link in the place of a file",
    (sftp) => sftp.symlink("x", "/file"),
    'symlink "/file" …: it exists already',
  ],
  [
    "a new file in the place of another",
    (sftp) => sftp.open("/file", { write: true, createNew: true }),
    'open "/file" …: it exists already',
  ],
  [
    "writing to a folder",
    (sftp) => sftp.writeFile("/full", some),
    'open "/full" …: it is a directory',
  ],
  [
    "removing a folder with files",
    (sftp) => sftp.remove("/full"),
    'remove "/full" …: it is a directory that is not empty',
    { refuses: [REMOVE, RMDIR] },
  ],
  [
    "renaming to a folder with files",
    (sftp) => sftp.rename("/empty", "/full"),
    'rename "/empty" …: "/full" is a directory that is not empty',
    { refuses: [RENAME] },
  ],
  [
    "renaming to a file, which is to stay",
    (sftp) => sftp.rename("/empty", "/file", { overwrite: false }),
    'rename "/empty" …: "/file" exists already',
  ],
  [
    "writing to a full disk",
    (sftp) => sftp.writeFile("/file", some),
    'write "/file" …: no space is left',
    { refuses: [WRITE], system: { availableBlocks: 3 } },
  ],
  [
    "storing a file on a full disk",
    (sftp) => sftp.put(some, "/file"),
    'write "/file" …: no space is left',
    { refuses: [WRITE], system: { availableBlocks: 3 } },
  ],
  [
    "a folder where no more files fit",
    (sftp) => sftp.mkdir("/new"),
    'mkdir "/new" …: no space is left',
    { refuses: [MKDIR], system: { availableFiles: 0 } },
  ],
  [
    "a change where nothing may be changed",
    (sftp) => sftp.chmod("/file", 0o600),
    'setStat "/file" …: the file system is read-only',
    { refuses: [SETSTAT], system: { readOnly: true } },
  ],
  [
    "removing where nothing may be changed",
    (sftp) => sftp.remove("/file"),
    'remove "/file" …: the file system is read-only',
    { refuses: [REMOVE], system: { readOnly: true, availableBlocks: 0 } },
  ],
  [
    "a file system without numbers",
    (sftp) => sftp.mkdir("/new"),
    'mkdir "/new" …: Failure',
    { refuses: [MKDIR], system: { blocks: 0, availableBlocks: 0, files: 0, availableFiles: 0 } },
  ],
  [
    "a server without statvfs",
    (sftp) => sftp.mkdir("/new"),
    'mkdir "/new" …: Failure',
    { refuses: [MKDIR], system: null },
  ],
  [
    "a look that is refused, too",
    (sftp) => sftp.remove("/full"),
    'remove "/full" …: Failure',
    { refuses: [REMOVE, RMDIR, OPENDIR] },
  ],
  [
    "a server with its own text",
    (sftp) => sftp.symlink("x", "/file"),
    'symlink "/file" …: Quota exceeded',
    { refuses: [SYMLINK], words: "Quota exceeded" },
  ],
];
for (const [what, act, expected, quirks] of CASES) {
  Deno.test(`explained: ${what}`, async () => {
    const { sftp } = await client(quirks);
    const error = await assertRejects(() => act(sftp), SftpError);
    assertEquals(plainMessage(error), `Cannot ${expected.replace("…", "on the server")}`);
    assertEquals(error.status, 4);
    await sftp.close();
  });
}

Deno.test("Successes, and refusals with a reason, cause no look", async () => {
  const { sftp, requests } = await client({ words: "Quota exceeded", refuses: [MKDIR] });
  const start = requests.length;
  await sftp.symlink("/file", "/link");
  await assertRejects(() => sftp.mkdir("/new"), SftpError);
  assertEquals(requests.slice(start), [SYMLINK, MKDIR]);
  await assertRejects(() => sftp.open("/none"), SftpError);
  assertEquals(requests.slice(start + 2), [OPEN]);
  await sftp.close();
});

Deno.test("The look is aborted with its operation", async () => {
  const { sftp, requests } = await client({ refuses: [MKDIR] });
  const controller = new AbortController();
  const making = sftp.mkdir("/new", { signal: controller.signal });
  controller.abort(new Error("enough"));
  await assertRejects(() => making, Error, "enough");
  assertEquals(requests.includes(LSTAT), false);
  await sftp.close();
});
