/**
 * Faults of files during transfers, with OpenSSH's server and ours: an error names the operation and
 * the path, and nothing remains.
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { localFiles } from "@denossh/ssh/server";
import { type SftpClient, SftpError, SftpTransferError } from "@denossh/ssh/sftp";
import { connectTo, noise, startOurs } from "../harness/ours.ts";
import { peerTest } from "../harness/peers.ts";
import { same } from "./everything.ts";
import { smallDisk } from "../harness/small_disk.ts";
import { startSshd } from "../harness/sshd.ts";
import { type TempFolder, tempFolder } from "../../support/temp.ts";

const MIB = 1024 * 1024;

/** Our client with a server of local files, and two temporary folders. */
interface World extends AsyncDisposable {
  readonly sftp: SftpClient;
  readonly folder: TempFolder;
  /** The client's folder. */
  readonly here: string;
  /** The server's folder. */
  readonly there: string;
}

async function world(kind: "OpenSSH's" | "our"): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder());
  const endpoint = kind === "our"
    ? stack.use(await startOurs({ sftp: localFiles({ root: "/" }) }))
    : stack.use(await startSshd({ hostKeys: ["ed25519"] }));
  const host = stack.use(await connectTo(endpoint));
  const sftp = stack.use(await host.sftp());
  const [here, there] = [folder.join("here"), folder.join("there")];
  for (const path of [here, there]) await Deno.mkdir(path);
  const parts = stack.move();
  const dispose = () => parts.disposeAsync();
  return { sftp, folder, here, there, [Symbol.asyncDispose]: dispose };
}

/** The names in a folder, hidden ones too. */
function names(path: string): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
}

/** Progress that calls a function after the first block. */
function once(act: () => void): () => void {
  let acted = false;
  return () => {
    if (!acted) act();
    acted = true;
  };
}

/** In a folder with one file that is too large only that one fails, and the others are complete. */
async function whole(transfer: Promise<unknown>, from: string, to: string): Promise<void> {
  const { result } = await assertRejects(() => transfer, SftpTransferError);
  const failed = result.failures.map(({ path }) => path);
  // While the large one fills the disk, the small one may also not fit.
  assert(failed.includes(`${from}/b is too large`), `${failed}`);
  assertEquals(names(to), failed.length === 1 ? ["a fits"] : []);
  for (const name of names(to)) {
    assert(same(await Deno.readFile(`${to}/${name}`), await Deno.readFile(`${from}/${name}`)));
  }
}

for (const kind of ["OpenSSH's", "our"] as const) {
  await peerTest(
    ["sshd", "mount"],
    `files that do not fit on a disk, with ${kind} server`,
    async (t) => {
      await using w = await world(kind);
      const { sftp, here, there, folder } = w;
      await using near = await smallDisk(`${here}/full`, MIB);
      await using far = await smallDisk(`${there}/full`, MIB);
      await folder.write("here/large", noise(3 * MIB));
      await Deno.mkdir(`${here}/tree`);
      await folder.write("here/tree/a fits", noise(100_000));
      await folder.write("here/tree/b is too large", noise(3 * MIB));

      await t.step("put of one file", async () => {
        const target = `${far.path}/file`;
        const error = await assertRejects(() => sftp.put(`${here}/large`, target), SftpError);
        assertEquals([error.operation, error.path], ["write", target]);
        const reason = kind === "our" ? "No space left on device" : "no space is left";
        assertEquals(error.message, `Cannot write "${target}" on the server: ${reason} [sftp]`);
        assertEquals(names(far.path), []);
      });
      await t.step("put over a file leaves the old one", async () => {
        await Deno.writeTextFile(`${far.path}/old`, "precious");
        await assertRejects(() => sftp.put(`${here}/large`, `${far.path}/old`), SftpError);
        assertEquals(names(far.path), ["old"]);
        assertEquals(await Deno.readTextFile(`${far.path}/old`), "precious");
        await Deno.remove(`${far.path}/old`);
      });
      await t.step("put of a folder stores the files that fit", async () => {
        const putting = sftp.put(`${here}/tree`, `${far.path}/tree`, { recursive: true });
        await whole(putting, `${here}/tree`, `${far.path}/tree`);
      });
      await t.step("get of one file and of a folder", async () => {
        const target = `${near.path}/file`;
        const error = await assertRejects(() => sftp.get(`${here}/large`, target), Error);
        assertMatch(
          error.message,
          /^Cannot write "[^"]*\/full\/file" on this machine: No space left/,
        );
        assertEquals(names(near.path), []);
        const getting = sftp.get(`${here}/tree`, `${near.path}/tree`, { recursive: true });
        await whole(getting, `${here}/tree`, `${near.path}/tree`);
      });
      await t.step("the session continues, and files that now fit are stored", async () => {
        await sftp.remove(`${far.path}/tree`, { recursive: true }).catch(() => {});
        await sftp.put(`${here}/tree/a fits`, `${far.path}/file`);
        assertEquals((await sftp.stat(`${far.path}/file`)).size, 100_000);
      });
    },
  );

  await peerTest(
    ["sshd", "mount"],
    `a read-only disk, with ${kind} server`,
    async () => {
      await using w = await world(kind);
      const { sftp, here, there, folder } = w;
      await using near = await smallDisk(`${here}/disk`, MIB);
      await using far = await smallDisk(`${there}/disk`, MIB);
      await folder.write("here/file", "new");
      await Deno.writeTextFile(`${far.path}/file`, "old");
      for (const disk of [near, far]) await disk.protect();
      const at = (name: string) => `${far.path}/${name}`;
      for (
        const [operation, path, act] of [
          ["open", at("new"), () => sftp.put(`${here}/file`, at("new"))],
          ["open", at("file"), () => sftp.put(`${here}/file`, at("file"))],
          ["open", at("file"), () => sftp.writeTextFile(at("file"), "new")],
          ["mkdir", at("folder"), () => sftp.mkdir(at("folder"))],
          ["remove", at("file"), () => sftp.remove(at("file"))],
          ["rename", at("file"), () => sftp.rename(at("file"), at("other"))],
          ["symlink", at("link"), () => sftp.symlink("file", at("link"))],
          ["setStat", at("file"), () => sftp.chmod(at("file"), 0o600)],
        ] as [string, string, () => Promise<unknown>][]
      ) {
        const error = await assertRejects(act, SftpError);
        assertEquals([error.operation, error.path], [operation, path]);
        const reason = kind === "our" ? "Read-only file system" : "the file system is read-only";
        assertEquals(
          error.message,
          `Cannot ${operation} "${path}" on the server: ${reason} [sftp]`,
        );
      }
      const error = await assertRejects(() => sftp.get(at("file"), `${near.path}/file`), Error);
      assertMatch(error.message, /^Cannot write "[^"]*\/disk\/file" on this machine: Read-only/);
      assertEquals([names(near.path), names(far.path)], [[], ["file"]]);
      assertEquals(await sftp.readTextFile(at("file")), "old");
    },
  );

  await peerTest(
    ["sshd"],
    `files that change while they are read, with ${kind} server`,
    async (t) => {
      await using w = await world(kind);
      const { sftp, here, there } = w;
      const data = noise(8 * MIB);
      const empty = async () => {
        for (const path of [here, there]) {
          await Deno.remove(path, { recursive: true });
          await Deno.mkdir(path);
        }
      };
      /** A transfer in small steps, during which the source is changed. */
      const transfer = async (way: "get" | "put", act: (source: string) => void) => {
        await empty();
        const [source, target] = way === "get"
          ? [`${there}/source`, `${here}/target`]
          : [`${here}/source`, `${there}/target`];
        await Deno.writeFile(source, data);
        const options = { inFlight: MIB, onProgress: once(() => act(source)) };
        const running = way === "get"
          ? sftp.get(source, target, options)
          : sftp.put(source, target, options);
        return { running, source, target, folder: way === "get" ? here : there };
      };
      for (const way of ["get", "put"] as const) {
        await t.step(`${way} of one that shrinks fails and leaves nothing`, async () => {
          const { running, source, folder } = await transfer(
            way,
            (path) => Deno.truncateSync(path, 2 * MIB),
          );
          const error = await assertRejects(() => running, SftpError);
          assertEquals([error.operation, error.path], ["read", source]);
          assertStringIncludes(error.message, source);
          assertEquals(names(folder).filter((name) => name !== "source"), []);
        });
        await t.step(`${way} of one that grows gets at least its old length`, async () => {
          const more = (path: string) => Deno.writeFileSync(path, noise(5000, 9), { append: true });
          const { running, source, target } = await transfer(way, more);
          await running;
          const got = await Deno.readFile(target);
          assert(got.length >= data.length);
          assert(same(got, (await Deno.readFile(source)).subarray(0, got.length)));
        });
        await t.step(`${way} of one that is removed while it is open is complete`, async () => {
          const { running, target } = await transfer(way, (path) => Deno.removeSync(path));
          await running;
          assert(same(await Deno.readFile(target), data));
        });
        await t.step(
          `${way} of a folder from which a file vanishes misses only that file`,
          async () => {
            const [from, to] = way === "get" ? [there, here] : [here, there];
            await empty();
            await Deno.mkdir(`${from}/tree`);
            // More files than are opened in parallel; the last ones are removed before their turn.
            for (let i = 0; i < 400; i++) {
              await Deno.writeFile(`${from}/tree/${i}`, noise(10_000, i + 1));
            }
            const gone = new Set<string>();
            const onProgress = once(() => {
              for (let i = 0; i < 400; i++) {
                if (names(to).includes("tree") && names(`${to}/tree`).includes(`${i}`)) continue;
                if (gone.size < 200) gone.add(`${i}`);
              }
              for (const name of gone) Deno.removeSync(`${from}/tree/${name}`);
            });
            const options = { recursive: true, partial: true, onProgress };
            const { files, failures } = way === "get"
              ? await sftp.get(`${from}/tree`, `${to}/tree`, options)
              : await sftp.put(`${from}/tree`, `${to}/tree`, options);
            assert(
              files >= 200 && files + failures.length <= 400,
              `${files} and ${failures.length}`,
            );
            for (const { path, error } of failures) {
              assert(gone.has(path.slice(`${from}/tree/`.length)), path);
              assertStringIncludes(error.message, path);
            }
            assertEquals(names(`${to}/tree`).length, files);
            for (const name of names(`${to}/tree`)) {
              assert(
                same(await Deno.readFile(`${to}/tree/${name}`), noise(10_000, Number(name) + 1)),
              );
            }
          },
        );
      }
    },
  );
}

await peerTest(["sshd"], "a failure of OpenSSH's server is explained", async () => {
  await using w = await world("OpenSSH's");
  const { sftp, there } = w;
  const [file, full] = [`${there}/file`, `${there}/full`];
  await sftp.writeTextFile(file, "text");
  await sftp.mkdir(full);
  await sftp.writeTextFile(`${full}/one`, "");
  for (
    const [expected, act] of [
      [`mkdir "${full}" on the server: it exists already`, () => sftp.mkdir(full)],
      [`symlink "${file}" on the server: it exists already`, () => sftp.symlink("x", file)],
      [`link "${full}/one" on the server: "${file}" exists already`, () => {
        return sftp.link(`${full}/one`, file);
      }],
      [`open "${file}" on the server: it exists already`, () => {
        return sftp.open(file, { write: true, createNew: true });
      }],
      [`open "${full}" on the server: it is a directory`, () => sftp.writeTextFile(full, "")],
      [`open "${full}" on the server: it is a directory`, () => sftp.put(new Uint8Array(1), full)],
      [`remove "${full}" on the server: it is a directory that is not empty`, () => {
        return sftp.remove(full);
      }],
    ] as [string, () => Promise<unknown>][]
  ) {
    const { message } = await assertRejects(act, SftpError);
    assertEquals(message, `Cannot ${expected} [sftp]`);
  }
});
