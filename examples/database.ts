/**
 * Queries a Postgres behind a gateway. The driver has its own pool, whose connections are channels of
 * one SSH connection. PGPASSWORD holds the database password; the gateway resolves names.
 *
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh \
 *       examples/database.ts ops@bastion db.internal:5432 app "SELECT version()"
 */
import { connect } from "@denossh/ssh";
import pg from "npm:pg@8";

const [gateway, address, user, ...queries] = Deno.args;
if (gateway === undefined || address === undefined || user === undefined) {
  console.error("usage: database.ts [user@]gateway host:port user query...");
  Deno.exit(2);
}

await using host = await connect(gateway);
const pool = new pg.Pool({
  user,
  database: Deno.env.get("PGDATABASE") ?? user,
  password: Deno.env.get("PGPASSWORD"),
  stream: () => host.nodeSocket(address), // one for each connection of the pool
});
try {
  for (const { rows } of await Promise.all(queries.map((query) => pool.query(query)))) {
    console.table(rows);
  }
} finally {
  await pool.end();
}
