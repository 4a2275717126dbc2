/** Denied files and full disks, with our client and with OpenSSH's. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { localFiles } from "@denossh/ssh/server";
import { SftpClient, SftpError, SftpStatus, SftpTransferError } from "@denossh/ssh/sftp";
import { CLI } from "../../cli/world.ts";
import { ourWorld, refusal } from "../../sftp/world.ts";
import { programChannel } from "./openssh_world.ts";
import { runClient } from "../harness/openssh_clients.ts";
import { noise, startOurs } from "../harness/ours.ts";
import { peerTest, requirePeer } from "../harness/peers.ts";
import { same } from "./everything.ts";
import { must } from "../../support/run.ts";
import { smallDisk } from "../harness/small_disk.ts";
import { tempFolder } from "../../support/temp.ts";

/** The owner of the files that the server may not access. */
const STRANGER = "65534:65534";
/** Root without its privileges in the file system. */
const MORTAL = [
  "--bounding-set",
  "-dac_override,-dac_read_search,-fowner,-chown",
  "--inh-caps",
  "-all",
];
const MIB = 1024 * 1024;

/** The names in a folder, hidden ones too. */
function names(path: string): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
}

for (const kind of ["OpenSSH's", "our"] as const) {
  await peerTest(
    ["sftp-server", "setpriv", "root"],
    `files that ${kind} sftp-server may not access do not change`,
    async (t) => {
      await using folder = await tempFolder();
      const [here, there] = [folder.join("here"), folder.join("there")];
      for (const path of [here, there, `${there}/tree`, `${there}/locked`]) await Deno.mkdir(path);
      await folder.write("there/tree/open", "open", 0o644);
      await folder.write("there/tree/secret", "secret", 0o600);
      await folder.write("here/file", "new");
      await must("chown", ["-R", STRANGER, there]);
      const server = kind === "our" ? [...CLI, "sftp-server"] : [await requirePeer("sftp-server")];
      const args = [...MORTAL, ...server];
      await using program = new AsyncDisposableStack();
      const channel = programChannel("setpriv", args, folder.path);
      program.defer(async () => void await channel.status);
      await using sftp = await SftpClient.open(channel);
      const refused = async (operation: string, path: string, act: () => Promise<unknown>) => {
        const error = await assertRejects(act, SftpError);
        assertEquals([error.operation, error.path, error.status], [operation, path, 3]);
        assertEquals(
          error.message,
          `Cannot ${operation} "${path}" on the server: Permission denied [sftp]`,
        );
      };

      await t.step("reading", async () => {
        const secret = `${there}/tree/secret`;
        await refused("open", secret, () => sftp.get(secret, `${here}/secret`));
        await refused("open", secret, () => sftp.readFile(secret));
        assertEquals(names(here), ["file"]);
      });
      await t.step("reading one of a folder's files", async () => {
        const getting = sftp.get(`${there}/tree`, `${here}/tree`, { recursive: true });
        const { result } = await assertRejects(() => getting, SftpTransferError);
        assertEquals(result.failures.map(({ path }) => path), [`${there}/tree/secret`]);
        assertEquals(names(`${here}/tree`), ["open"]);
      });
      await t.step("writing and changing", async () => {
        const open = `${there}/tree/open`;
        await refused("open", `${there}/new`, () => sftp.put(`${here}/file`, `${there}/new`));
        await refused("open", open, () => sftp.put(`${here}/file`, open));
        await refused("open", open, () => sftp.writeTextFile(open, "new"));
        await refused("mkdir", `${there}/made`, () => sftp.mkdir(`${there}/made`));
        await refused("remove", open, () => sftp.remove(open));
        await refused("rename", open, () => sftp.rename(open, `${there}/moved`));
        assertEquals([names(there), names(`${there}/tree`)], [["locked", "tree"], [
          "open",
          "secret",
        ]]);
        assertEquals(await Deno.readTextFile(open), "open");
      });
      await t.step("a folder without write permission", async () => {
        await Deno.mkdir(`${here}/more`);
        await folder.write("here/more/file", "x");
        const putting = sftp.put(`${here}/more`, `${there}/locked`, { recursive: true });
        const error = await assertRejects(() => putting, SftpError);
        assertStringIncludes(error.message, "Permission denied");
        assertStringIncludes(error.message, `${there}/locked`);
        assertEquals(names(`${there}/locked`), []);
      });
    },
  );
}

await peerTest(
  ["sftp", "mount"],
  "OpenSSH's sftp reports a full disk, and our server continues",
  async () => {
    await using server = await startOurs({ sftp: localFiles({ root: "/" }) });
    const { folder } = server;
    await using disk = await smallDisk(folder.join("disk"), MIB);
    await folder.write("large", noise(3 * MIB));
    await folder.write("small", noise(100_000));
    const ran = await runClient("sftp", server, [
      `-put ${folder.join("large")} ${disk.path}/large`,
      `rm ${disk.path}/large`,
      `put ${folder.join("small")} ${disk.path}/small`,
    ]);
    assertEquals(ran.code, 0, ran.stderr);
    assertStringIncludes(ran.stderr, `write remote "${disk.path}/large": Failure`);
    assertEquals(names(disk.path), ["small"]);
    assert(same(await Deno.readFile(`${disk.path}/small`), noise(100_000)));
  },
);

await peerTest(["sftp", "mount"], "OpenSSH's sftp reports a refusal with its reason", async () => {
  await using server = await startOurs({ sftp: localFiles({ root: "/" }) });
  const { folder } = server;
  await using disk = await smallDisk(folder.join("disk"), MIB);
  await folder.write("file", "new");
  await Deno.writeTextFile(`${disk.path}/file`, "old");
  await disk.protect();
  const file = `${disk.path}/file`;
  for (
    const line of [
      `put ${folder.join("file")} ${file}`,
      `rm ${file}`,
      `mkdir ${disk.path}/folder`,
      `rename ${file} ${disk.path}/other`,
      `chmod 600 ${file}`,
      `ln -s file ${disk.path}/link`,
      `ln ${file} ${disk.path}/hard`,
    ]
  ) {
    const ran = await runClient("sftp", server, [line]);
    assertEquals(ran.code, 1, line);
    assertStringIncludes(ran.stderr, "Permission denied", line);
  }
  assertEquals(names(disk.path), ["file"]);
  assertEquals(await Deno.readTextFile(file), "old");
});

Deno.test("our server opens no named pipe", async () => {
  await using world = await ourWorld();
  await must("mkfifo", [`${world.root}/pipe`]);
  for (const options of [{ read: true }, { write: true }]) {
    assertEquals(await refusal(world.sftp.open("/pipe", options)), SftpStatus.FAILURE);
  }
  assertEquals(await refusal(world.sftp.truncate("/pipe")), SftpStatus.FAILURE);
});
