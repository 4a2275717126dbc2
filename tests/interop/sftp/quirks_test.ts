/**
 * Our client with a server with the quirks of real ones, started by sshd: `cases/sftp_quirks.py` of
 * the shared folder, if present.
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type SftpClient, SftpError } from "@denossh/ssh/sftp";
import { connectTo, noise } from "../harness/ours.ts";
import { peerTest, requirePeer } from "../harness/peers.ts";
import { startSshd } from "../harness/sshd.ts";
import { tempFolder } from "../../support/temp.ts";
import { same } from "./everything.ts";

const SCRIPT = new URL("../../../../shared/cases/sftp_quirks.py", import.meta.url).pathname;

async function noScript(): Promise<string | null> {
  const found = await Deno.stat(SCRIPT).then(() => true, () => false);
  return found ? null : "has no server with quirks";
}

/** The cost of a quirk: operations that may fail, and those that may warn. */
const QUIRKS: Record<string, { fails?: readonly string[]; warns?: readonly string[] }> = {
  "plain": {},
  "status-bare": {},
  "status-trailing": {},
  "size-minus1": {},
  "notype": {},
  "aix": {},
  "noattrs": {},
  "size0": {},
  "nostat 2": { fails: ["stat"], warns: ["put over"] },
  "nostat 3": { fails: ["stat"], warns: ["put over"] },
  "slashdirs": {},
  "badbytes": { fails: ["get -r"] },
  "noexcl 4": { warns: ["put new", "put over", "preserve"] },
  "nodot 4": { warns: ["put new", "put over", "preserve"] },
  "short-read 100": {},
  "data-eofbool": {},
  "quota 40000": { fails: ["put new", "put over", "in place", "preserve"] },
  "nosetstat 3": { warns: ["preserve"] },
  "mkdir-exists 11": {},
  "mkdir-exists 3": {},
  "norename 3": { warns: ["put new", "put over", "preserve"] },
  "norename 8": { warns: ["put new", "put over", "preserve"] },
  "rename-exists 11": {},
};

for (const [quirk, { fails = [], warns = [] }] of Object.entries(QUIRKS)) {
  await peerTest(
    ["sshd"],
    `our client works with an SFTP server of the quirk "${quirk}"`,
    async () => {
      await using folder = await tempFolder();
      await using sshd = await startSshd({
        hostKeys: ["ed25519"],
        config: { Subsystem: `sftp ${SCRIPT} ${quirk}` },
      });
      await using host = await connectTo(sshd);
      await using sftp = await host.sftp();
      const data = noise(50_000);
      await Deno.writeFile(folder.join("local"), data);
      for (const [operation, run] of Object.entries(operations(sftp, folder.path, data))) {
        const outcome = await run().catch((cause) => cause);
        if (fails.includes(operation)) {
          assert(outcome instanceof SftpError, `${operation}: ${outcome}`);
        } else {
          assert(!(outcome instanceof Error), `${operation}: ${outcome}`);
          assertEquals(outcome === "warned", warns.includes(operation), operation);
        }
        const names = await Array.fromAsync(sftp.readDir("/"), ({ name }) => name);
        assertEquals(names.filter((name) => name.startsWith(".")), [], operation);
      }
    },
    noScript,
  );
}

/** The operations; a put resolves to "warned" if its result has warnings. */
function operations(
  sftp: SftpClient,
  here: string,
  data: Uint8Array,
): Record<string, () => Promise<unknown>> {
  const text = new TextEncoder().encode("hello world\n".repeat(1000));
  const put = async (path: string, options: { preserve?: boolean; atomic?: boolean } = {}) => {
    const { warnings } = await sftp.put(`${here}/local`, path, options);
    assert(same(await sftp.readFile(path), data), path);
    return warnings.length > 0 ? "warned" : "whole";
  };
  return {
    "stat": async () => {
      assert((await sftp.stat("/f.txt")).isFile);
      assert((await sftp.stat("/d")).isDirectory);
    },
    "list": async () => {
      const list = await Array.fromAsync(sftp.readDir("/"));
      const found = list.map(({ name, isFile, isDirectory }) => [name, isFile, isDirectory]);
      assertEquals(found.sort(), [["d", false, true], ["f.txt", true, false]]);
    },
    "open and read": async () => {
      await using file = await sftp.open("/f.txt");
      assertEquals(await file.readAt(new Uint8Array(5), 6), 5);
      assert(same(await sftp.readFile("/f.txt"), text));
    },
    "get -r": async () => {
      await sftp.get("/d", `${here}/d`, { recursive: true });
      assertEquals((await Deno.readFile(`${here}/d/b.txt`)).length, 70_000);
    },
    "put new": () => put("/new"),
    "put over": () => put("/f.txt"),
    "in place": () => put("/f.txt", { atomic: false }),
    "preserve": () => put("/kept", { preserve: true }),
    "mkdir -p twice": async () => {
      for (let i = 0; i < 2; i++) await sftp.mkdir("/p/q", { recursive: true });
    },
  };
}

for (
  const [quirk, quoted] of [
    ["banner", 'it sent "Welcome to the machine"'],
    // OpenSSH's server does not pass on the standard error of a subsystem.
    ["stderr-exit", "the server closed the channel"],
  ] as const
) {
  await peerTest(["sshd"], `our client quotes an SFTP server of the quirk "${quirk}"`, async () => {
    await using sshd = await startSshd({
      hostKeys: ["ed25519"],
      config: { Subsystem: `sftp ${SCRIPT} ${quirk}` },
    });
    await using host = await connectTo(sshd);
    const error = await assertRejects(() => host.sftp(), SftpError);
    assertStringIncludes(error.message, quoted);
  }, noScript);
}

for (const [denied, warned] of [["fsetstat,setstat", 1], ["rename,posix-rename", 3]] as const) {
  await peerTest(
    ["sshd", "sftp-server"],
    `put works where OpenSSH's server denies ${denied}`,
    async () => {
      await using folder = await tempFolder();
      const program = await requirePeer("sftp-server");
      await using sshd = await startSshd({
        hostKeys: ["ed25519"],
        config: { Subsystem: `sftp ${program} -P ${denied}` },
      });
      await using host = await connectTo(sshd);
      await using sftp = await host.sftp();
      await Deno.mkdir(folder.join("there"));
      await Deno.writeFile(folder.join("local"), noise(100_000));
      let warnings = 0;
      for (const preserve of [false, false, true]) {
        const put = await sftp.put(folder.join("local"), folder.join("there/file"), { preserve });
        warnings += put.warnings.length > 0 ? 1 : 0;
        assert(same(await Deno.readFile(folder.join("there/file")), noise(100_000)));
      }
      assertEquals(warnings, warned);
      assertEquals([...Deno.readDirSync(folder.join("there"))].map(({ name }) => name), ["file"]);
    },
  );
}

await peerTest(
  ["sshd"],
  "files of /sys and /proc are read whole, and a full disk leaks no handle",
  async () => {
    await using sshd = await startSshd({ hostKeys: ["ed25519"] });
    await using host = await connectTo(sshd);
    await using sftp = await host.sftp();
    const mtu = await Deno.readTextFile("/sys/class/net/lo/mtu");
    assertEquals(await sftp.readTextFile("/sys/class/net/lo/mtu"), mtu);
    assertStringIncludes(await sftp.readTextFile("/proc/self/status"), "VmPeak");
    for (let i = 0; i < 300; i++) {
      await assertRejects(() => sftp.writeFile("/dev/full", new Uint8Array(10)), SftpError);
    }
    await (await sftp.open("/proc/self/status")).close();
  },
);
