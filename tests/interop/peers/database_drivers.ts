/**
 * Runs steps with a database driver: `database_drivers.ts DRIVER DATABASE [GATEWAY]`, where DATABASE
 * is a `Database` of the harness as JSON. Without a gateway the driver connects directly.
 */
import { assertEquals, assertRejects } from "@std/assert";
import type { NodeSocket } from "@denossh/ssh";
import mysql from "npm:mysql2@3/promise";
import pg from "npm:pg@8";
import postgres from "npm:postgres@3";
import { AbstractConnector, Redis } from "npm:ioredis@5";
import type { Database } from "../harness/databases.ts";

const BIG = "x".repeat(3_000_000);

type Open = (() => NodeSocket) | undefined;

/** Runs the steps of a driver over sockets that `open` makes. */
const DRIVERS: Record<string, (db: Database, open: Open) => Promise<void>> = {
  async pg({ hostname: host, port, user, password, database, certificate }, open) {
    const ca = await Deno.readTextFile(certificate);
    const stream = open && { stream: open };
    for (const ssl of [false, { ca, servername: "localhost" }]) {
      const pool = new pg.Pool({ host, port, user, password, database, ssl, max: 4, ...stream });
      const { rows } = await pool.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
      assertEquals(rows, [{ ssl: ssl !== false }]);
      const sums = Array.from({ length: 20 }, (_, n) => pool.query("SELECT $1::int + 1 AS n", [n]));
      assertEquals((await Promise.all(sums))[19]!.rows[0].n, 20);
      const big = await pool.query("SELECT $1::text AS big", [BIG]);
      assertEquals(big.rows[0].big === BIG, true);
      const client = await pool.connect();
      await client.query("BEGIN");
      await client.query("CREATE TABLE kept (n int PRIMARY KEY)");
      await client.query("INSERT INTO kept SELECT generate_series(1, 10000)");
      const all = await client.query("SELECT n FROM kept ORDER BY n");
      assertEquals([all.rows.length, all.rows[9_999].n], [10_000, 10_000]);
      await assertRejects(
        () => client.query("INSERT INTO kept VALUES (1)"),
        Error,
        "duplicate key",
      );
      await client.query("ROLLBACK");
      const heard = new Promise((resolve) => client.once("notification", resolve));
      await client.query("LISTEN news");
      await pool.query("NOTIFY news, 'hello'");
      assertEquals((await heard as { payload: string }).payload, "hello");
      client.release();
      await pool.end();
    }
    // A client that connects after its socket, and one whose session the server ends.
    const late = new pg.Client({ host, port, user, password, database, stream: open?.() });
    await new Promise((resolve) => setTimeout(resolve, 50));
    await late.connect();
    const failed = new Promise<Error>((resolve) => late.once("error", resolve));
    late.query("SELECT pg_terminate_backend(pg_backend_pid())").catch(() => {});
    assertEquals(/terminat/.test((await failed).message), true);
    const wrong = new pg.Client({
      host,
      port,
      user,
      password: "wrong",
      database,
      stream: open?.(),
    });
    await assertRejects(() => wrong.connect(), Error, "password authentication failed");
  },

  async postgres({ hostname: host, port, user: username, password, database, certificate }, open) {
    const ca = await Deno.readTextFile(certificate);
    const socket = open && { socket: open };
    for (const ssl of [false, { ca, servername: "localhost" }]) {
      const sql = postgres({
        ...{ host, port, username, password, database, ssl, max: 3, onnotice() {} },
        ...socket,
      });
      const [row] = await sql`SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`;
      assertEquals(row!.ssl, ssl !== false);
      assertEquals((await sql`SELECT ${BIG}::text AS big`)[0]!.big === BIG, true);
      await sql.begin(async (sql) => {
        await sql`CREATE TEMP TABLE kept (n int) ON COMMIT DROP`;
        await sql`INSERT INTO kept ${sql([1, 2, 3].map((n) => ({ n })))}`;
        assertEquals((await sql`SELECT sum(n)::int FROM kept`)[0]!.sum, 6);
      });
      let rows = 0;
      for await (const some of sql`SELECT generate_series(1, 1000)`.cursor(100)) {
        rows += some.length;
      }
      assertEquals(rows, 1000);
      await sql.end();
    }
  },

  async mysql2({ hostname: host, port, user, password, database, certificate }, open) {
    const ca = await Deno.readTextFile(certificate);
    const stream = open && { stream: open };
    for (const ssl of [undefined, { ca, verifyIdentity: false }]) {
      const pool = mysql.createPool({
        ...{ host, port, user, password, database, connectionLimit: 4, ...stream },
        ...(ssl && { ssl }),
      });
      const [[status]] = await pool.query<mysql.RowDataPacket[]>("SHOW STATUS LIKE 'Ssl_cipher'");
      assertEquals(status!.Value !== "", ssl !== undefined);
      const sums = Array.from({ length: 20 }, (_, n) => pool.execute("SELECT ? + 1 AS n", [n]));
      const last = (await Promise.all(sums))[19]![0] as mysql.RowDataPacket[];
      assertEquals(Number(last[0]!.n), 20);
      const [[big]] = await pool.query<mysql.RowDataPacket[]>("SELECT ? AS big", [BIG]);
      assertEquals(big!.big === BIG, true);
      const connection = await pool.getConnection();
      await connection.query("CREATE TEMPORARY TABLE kept (n int PRIMARY KEY)");
      await connection.beginTransaction();
      await connection.query("INSERT INTO kept VALUES ?", [
        Array.from({ length: 5000 }, (_, n) => [n]),
      ]);
      await connection.rollback();
      const [none] = await connection.query("SELECT n FROM kept");
      assertEquals(none, []);
      connection.release();
      await pool.end();
    }
    const wrong = { host, port, user, password: "wrong", database, ...stream };
    await assertRejects(() => mysql.createConnection(wrong), Error, "Access denied");
  },

  async ioredis({ hostname: host, port, password }, open) {
    const options = { host, port, password, ...(open && { Connector: connectorOf(open) }) };
    const redis = new Redis(options);
    const failures: Error[] = [];
    redis.on("error", (error) => failures.push(error));
    await redis.flushall();
    assertEquals(await redis.set("greeting", "hello"), "OK");
    assertEquals(await redis.get("greeting"), "hello");
    await redis.set("big", BIG);
    assertEquals(await redis.get("big") === BIG, true);
    const pipeline = redis.pipeline();
    for (let n = 0; n < 5000; n++) pipeline.incr("counter");
    assertEquals((await pipeline.exec())!.at(-1), [null, 5000]);
    const listener = new Redis(options);
    const heard = new Promise((resolve) => listener.once("message", (...said) => resolve(said)));
    await listener.subscribe("news");
    await redis.publish("news", "hello");
    assertEquals(await heard, ["news", "hello"]);
    // The server ends the connection, and the driver reconnects through another socket.
    await listener.quit();
    const id = await redis.client("ID");
    const again = new Promise((resolve) => redis.once("ready", () => resolve(true)));
    await redis.client("KILL", "ID", id, "SKIPME", "no").catch(() => {});
    await again;
    assertEquals(await redis.get("greeting"), "hello");
    await redis.quit();
    assertEquals(failures.filter(({ message }) => !/ECONNRESET|EPIPE/.test(message)), []);
  },
};

/** The connector from which ioredis gets a socket for each connect. */
function connectorOf(open: () => NodeSocket): new () => AbstractConnector {
  return class extends AbstractConnector {
    constructor() {
      super(2000);
    }

    connect(): Promise<NodeSocket> {
      return Promise.resolve(this.stream = open());
    }
  };
}

const [driver, described, gateway] = Deno.args;
const database: Database = JSON.parse(described!);
const steps = DRIVERS[driver!]!;
if (gateway === undefined) {
  await steps(database, undefined);
} else {
  const { connect } = await import("@denossh/ssh"); // not part of the steps without a gateway
  await using host = await connect(gateway);
  await steps(database, () => host.nodeSocket(database.to));
}
console.log("done");
