/** Cuts a resilient host's connections during many operations. */
import { assert, assertEquals } from "@std/assert";
import { type Client, type SftpClient, SshError } from "@denossh/ssh";
import { localFiles } from "@denossh/ssh/server";
import { SFTP_MAX_CHUNK } from "../../lib/defaults.ts";
import { ask, echo } from "../forward/world.ts";
import { folder, same } from "../sftp/world.ts";
import { fuzzTest, LONG, noise, type Random } from "../support/random.ts";
import { CutWorld } from "./cut_world.ts";

const CUTS = 200 * LONG;
const DATA = noise(150_000);
const NAMES = Array.from({ length: 250 }, (_, at) => `entry ${at}`).sort();

/** The objects that a worker uses. */
interface Load {
  readonly host: Client;
  readonly sftp: SftpClient;
  readonly root: string;
  /** A unique name. */
  readonly own: string;
  readonly port: number;
  readonly random: Random;
  /** How often each command was run. */
  readonly ran: ReadonlyMap<string, number>;
}

/** Operations that must succeed despite cuts. */
const SURVIVING: Record<string, (load: Load) => Promise<void>> = {
  async stat({ sftp }) {
    assertEquals((await sftp.stat("/data")).size, DATA.length);
  },
  async read({ sftp }) {
    assert(same(await sftp.readFile("/data"), DATA));
  },
  async list({ sftp }) {
    const names = (await Array.fromAsync(sftp.readDir("/list"))).map(({ name }) => name);
    assertEquals(names.sort(), NAMES);
  },
  async paths({ sftp, own }) {
    assertEquals(await sftp.realPath(`/list/../${own}`), `/${own}`);
    await sftp.chmod("/data", 0o600);
  },
  async "write at offsets"({ sftp, root, own, random }) {
    const file = await sftp.open(`/${own}`, { read: true, write: true, create: true });
    const model = new Uint8Array(60_000);
    await file.truncate();
    await file.truncate(model.length);
    for (let times = 0; times < 4; times++) {
      const at = random(40_000);
      const bytes = noise(20_000, times + 1);
      model.set(bytes, at);
      await file.writeAt(bytes, at);
      const back = new Uint8Array(20_000);
      assertEquals(await file.readAt(back, at), 20_000);
      assert(same(back, bytes));
    }
    await file.close();
    assert(same(await Deno.readFile(`${root}/${own}`), model));
    await sftp.remove(`/${own}`);
    assertEquals(await exists(`${root}/${own}`), false);
  },
  async rename({ sftp, root, own }) {
    await sftp.writeFile(`/${own}`, DATA.subarray(0, 100));
    await sftp.rename(`/${own}`, `/${own} 2`);
    assertEquals([await exists(`${root}/${own}`), await exists(`${root}/${own} 2`)], [false, true]);
    await sftp.remove(`/${own} 2`);
    await sftp.symlink("data", `/${own}`);
    assertEquals(await sftp.readLink(`/${own}`), "data");
    await sftp.remove(`/${own}`);
  },
  async put({ sftp, root, own }) {
    await sftp.put(DATA, `/${own}`, { verify: true });
    assert(same(await Deno.readFile(`${root}/${own}`), DATA));
    await sftp.remove(`/${own}`);
  },
  async get({ sftp }) {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const [back] = await Promise.all([
      new Response(readable).arrayBuffer(),
      sftp.get("/data", writable),
    ]);
    assert(same(new Uint8Array(back), DATA));
  },
};

/** Operations that may fail with a typed error. */
const FAILING: Record<string, (load: Load) => Promise<void>> = {
  async command({ host, own, ran }) {
    try {
      assertEquals(await host.run(own), own.toUpperCase());
      assertEquals(ran.get(own), 1);
    } finally {
      assert((ran.get(own) ?? 0) <= 1, "a command was run twice");
    }
  },
  async mkdir({ sftp, root, own }) {
    try {
      await sftp.mkdir(`/${own}`);
    } finally {
      assertEquals(await exists(`${root}/${own}`), true);
      await sftp.remove(`/${own}`);
    }
  },
  async tunnel({ port, own }) {
    const answer = await ask(port, own).catch((error) => {
      throw new SshError("connect", String(error));
    });
    if (answer !== own) throw new SshError("connect", "it was cut");
  },
};

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

fuzzTest(
  "every operation gives the right result or a typed error despite cuts",
  async (random) => {
    await using files = await folder();
    const root = files.path;
    await Deno.writeFile(`${root}/data`, DATA);
    await Deno.mkdir(`${root}/list`);
    for (const name of NAMES) await Deno.writeFile(`${root}/list/${name}`, new Uint8Array(1));
    await using here = echo();
    const ran = new Map<string, number>();
    await using world = new CutWorld({
      serve: { sftp: localFiles({ root }), forward: { local: () => true } },
      connect: { algorithms: { kex: "curve25519-sha256" } },
      // Up to more than four workers have in flight: the first answer may come after all of that.
      cutAfter: () => 4_000 + random(random(4) === 0 ? 20_000 : 1_000_000),
      handler: async (session) => {
        const command = session.command!;
        ran.set(command, (ran.get(command) ?? 0) + 1);
        await session.print(command.toUpperCase());
      },
    });
    const host = await world.connect();
    const sftp = await host.sftp();
    const tunnel = await host.forwardLocal({ from: { port: 0 }, to: here.to });
    const counts = { right: 0, failed: 0 };
    const all = [
      ...Object.entries(SURVIVING).map(([name, run]) => ({ name, run, survives: true })),
      ...Object.entries(FAILING).map(([name, run]) => ({ name, run, survives: false })),
    ];
    let made = 0;
    const worker = async () => {
      while (world.cuts < CUTS) {
        const { name, run, survives } = all[random(all.length)]!;
        const own = `own ${made++}`;
        try {
          await run({ host, sftp, root, own, port: tunnel.addr.port, random, ran });
          counts.right++;
        } catch (error) {
          if (survives || !(error instanceof SshError)) {
            throw new Error(`${name} after ${world.cuts} cuts`, { cause: error });
          }
          counts.failed++;
        }
      }
    };
    await Promise.all(Array.from({ length: 4 }, worker));
    assert(counts.right > CUTS / 4, JSON.stringify(counts));
    const left = (await Array.fromAsync(Deno.readDir(root))).map(({ name }) => name).sort();
    assertEquals(left, ["data", "list"]);
    await sftp.close();
    await tunnel.close();
    await host.close();
  },
);

Deno.test("a file is put and got although each connection is cut before one full request", async () => {
  await using files = await folder();
  await using world = new CutWorld({
    serve: { sftp: localFiles({ root: files.path }) },
    connect: { algorithms: { kex: "curve25519-sha256" } },
    cutAfter: () => SFTP_MAX_CHUNK / 2,
  });
  const host = await world.connect();
  const sftp = await host.sftp();
  const data = noise(1_000_000);
  await sftp.put(data, "/large");
  assert(same(await sftp.readFile("/large"), data));
  // The bytes alone take 16; without a smaller window after losses, it was 58.
  assert(world.cuts < 45, `${world.cuts} cuts`);
  await sftp.close();
  await host.close();
});
