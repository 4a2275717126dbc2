/** Databases through an SSH server: real drivers over `host.nodeSocket()`, and tools over a tunnel. */
import { assertEquals, assertMatch } from "@std/assert";
import { example, type Home, homeFor } from "../support/example.ts";
import { must, run } from "../support/run.ts";
import { tempFolder } from "../support/temp.ts";
import { control } from "./harness/control.ts";
import { type Database, startMariadb, startPostgres, startRedis } from "./harness/databases.ts";
import { type Peer, peerSource, peerTest } from "./harness/peers.ts";
import { startSshd } from "./harness/sshd.ts";

const program = peerSource("database_drivers.ts");

/** sshd, and a database that is reached only through it. */
async function world(start: () => Promise<Database>): Promise<Home & { readonly db: Database }> {
  await using stack = new AsyncDisposableStack();
  const db = stack.use(await start());
  const server = stack.use(await startSshd());
  const home = stack.use(await homeFor(server));
  const parts = stack.move();
  return { ...home, db, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

/** The control: the npm packages can be installed, and the driver's steps work without SSH. */
function failedControl(
  driver: string,
  start: () => Promise<Database>,
): () => Promise<string | null> {
  const steps = async () => {
    await must(Deno.execPath(), ["cache", program]);
    await using db = await start();
    await must(Deno.execPath(), ["run", "-A", program, driver, JSON.stringify(db)]);
  };
  return () => control(driver, "queries of all kinds", steps, "the database");
}

const drivers: [driver: string, peer: Peer, start: () => Promise<Database>][] = [
  ["pg", "postgres", startPostgres],
  ["postgres", "postgres", startPostgres],
  ["mysql2", "mariadbd", startMariadb],
  ["ioredis", "redis-server", startRedis],
];
for (const [driver, peer, start] of drivers) {
  await peerTest(
    ["sshd", "openssl", peer],
    `npm:${driver} works over our node sockets as over its own`,
    async () => {
      await using it = await world(start);
      const { env, target, db } = it;
      const args = ["run", "-A", program, driver, JSON.stringify(db), target];
      // The folder of the packages, since the other home has none.
      const cache = { DENO_DIR: await denoFolder() };
      const { code, text, stderr } = await run(Deno.execPath(), args, {
        env: { ...env, ...cache },
      });
      assertEquals([code, text], [0, "done\n"], stderr);
    },
    failedControl(driver, start),
  );
}

await peerTest(
  ["sshd", "openssl", "postgres"],
  "The examples of databases run",
  async (t) => {
    await using it = await world(startPostgres);
    const { target, db } = it;
    const { user, password, database } = db;
    const login = { PGUSER: user, PGPASSWORD: password, PGDATABASE: database };
    const env = { ...it.env, ...login, DENO_DIR: await denoFolder() };

    await t.step("database.ts", async () => {
      const queries = ["SELECT 6 * 7 AS answer", "SELECT 'over SSH' AS how"];
      const { text } = await example("database.ts", [target, db.to, user, ...queries], env);
      assertMatch(text, /answer.*42.*how.*over SSH/s);
    });
    await t.step("tunnel_tool.ts", async () => {
      await using folder = await tempFolder();
      await folder.write("1_pets.sql", "CREATE TABLE pets (name text);\n-- Down Migration\n");
      const tool = ["npm:node-pg-migrate@8", "up", "--migrations-dir", folder.path];
      const { text } = await example("tunnel_tool.ts", [target, db.to, ...tool], env);
      assertMatch(text, /Migrations complete!/);
      const query = "SELECT count(*)::int AS pets FROM pets";
      const found = await example("database.ts", [target, db.to, user, query], env);
      assertMatch(found.text, /pets.*0/s);
    });
  },
  failedControl("pg", startPostgres),
);

/** Deno's cache of packages. */
async function denoFolder(): Promise<string> {
  return JSON.parse((await must(Deno.execPath(), ["info", "--json"])).text).denoDir;
}
