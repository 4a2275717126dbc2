import { freePort } from "../../support/free_port.ts";
import { Program } from "../../support/program.ts";
import { must } from "../../support/run.ts";
import { type TempFolder, tempFolder } from "../../support/temp.ts";
import { requirePeer } from "./peers.ts";

/** A database server for one test, on loopback, with a temporary folder. */
export interface Database extends AsyncDisposable {
  readonly hostname: string;
  readonly port: number;
  /** Its address, as `host:port`. */
  readonly to: string;
  readonly user: string;
  readonly password: string;
  /** The name of an empty database. */
  readonly database: string;
  /** The path of its TLS certificate for `localhost`; empty without TLS. */
  readonly certificate: string;
}

/** Its user; the administrator for Postgres. */
const LOGIN = { user: "app", password: "secret", database: "app" };

/**
 * Starts Postgres, with TLS. As root, starts it as the user of Debian's package, since it refuses to
 * run as root.
 */
export async function startPostgres(): Promise<Database> {
  await using stack = new AsyncDisposableStack();
  const postgres = await requirePeer("postgres");
  const folder = stack.use(await tempFolder());
  const { certificate, key } = await makeCertificate(folder);
  const account = Deno.uid() === 0 ? await accountOf("postgres") : {};
  const passwords = await folder.write("password", LOGIN.password);
  if (account.uid !== undefined) await chown(folder.path, account);
  const data = folder.join("data");
  const initdb = new Program(postgres.replace(/postgres$/, "initdb"), {
    ...account,
    args: [
      ...[data, "--username", LOGIN.user, "--pwfile", passwords, "--auth", "scram-sha-256"],
      ...["--no-sync", "--encoding", "UTF8", "--locale", "C"],
    ],
  });
  const { code } = await initdb.status;
  if (code !== 0) throw new Error(`initdb failed: ${initdb.log}`);
  await initdb[Symbol.asyncDispose]();
  const port = freePort();
  const settings = {
    ...{ listen_addresses: "127.0.0.1", unix_socket_directories: folder.path, fsync: "off" },
    ...{ ssl: "on", ssl_cert_file: certificate, ssl_key_file: key },
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const program = stack.use(
    new Program(postgres, { ...account, args: ["-D", data, "-p", `${port}`, ...args] }),
  );
  stack.defer(() => program.kill("SIGINT")); // also ends sessions
  await program.waitFor(/ready to accept connections/);
  return database({ stack, port, certificate, database: "postgres" });
}

/** Starts MariaDB, with TLS. */
export async function startMariadb(): Promise<Database> {
  await using stack = new AsyncDisposableStack();
  const mariadbd = await requirePeer("mariadbd");
  const folder = stack.use(await tempFolder());
  const { certificate, key } = await makeCertificate(folder);
  const data = folder.join("data");
  const user = Deno.uid() === 0 ? ["--user=root"] : [];
  await must("mariadb-install-db", [
    ...["--no-defaults", `--datadir=${data}`, "--skip-test-db", ...user],
    "--auth-root-authentication-method=normal",
  ]);
  const { database: name, password } = LOGIN;
  const script = await folder.write(
    "init.sql",
    `CREATE DATABASE ${name};
CREATE USER '${LOGIN.user}'@'%' IDENTIFIED BY '${password}';
GRANT ALL ON ${name}.* TO '${LOGIN.user}'@'%';
`,
  );
  const port = freePort();
  const args = [
    ...["--no-defaults", `--datadir=${data}`, `--init-file=${script}`, ...user],
    ...[`--socket=${folder.join("socket")}`, `--pid-file=${folder.join("pid")}`],
    ...["--bind-address=127.0.0.1", `--port=${port}`, "--skip-name-resolve"],
    ...[`--ssl-cert=${certificate}`, `--ssl-key=${key}`, "--innodb-flush-method=nosync"],
  ];
  const program = stack.use(new Program(mariadbd, { args }));
  await program.waitFor(/ready for connections/);
  return database({ stack, port, certificate });
}

/** Starts Redis, with its data in memory only. */
export async function startRedis(): Promise<Database> {
  await using stack = new AsyncDisposableStack();
  const redis = await requirePeer("redis-server");
  const folder = stack.use(await tempFolder());
  const port = freePort();
  const args = [
    ...["--bind", "127.0.0.1", "--port", `${port}`, "--dir", folder.path],
    ...["--save", "", "--appendonly", "no", "--requirepass", LOGIN.password],
  ];
  const program = stack.use(new Program(redis, { args }));
  await program.waitFor(/Ready to accept connections/);
  return database({ stack, port, user: "default", database: "0" });
}

function database(
  { stack, port, ...more }: Partial<Database> & {
    readonly stack: AsyncDisposableStack;
    readonly port: number;
  },
): Database {
  const parts = stack.move();
  return {
    hostname: "127.0.0.1",
    port,
    to: `127.0.0.1:${port}`,
    ...LOGIN,
    certificate: "",
    ...more,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

async function makeCertificate(
  folder: TempFolder,
): Promise<{ readonly certificate: string; readonly key: string }> {
  const [certificate, key] = [folder.join("certificate.pem"), folder.join("key.pem")];
  await must("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
    ...["-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost"],
    ...["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"],
  ]);
  return { certificate, key };
}

interface Account {
  readonly uid?: number;
  readonly gid?: number;
}

async function accountOf(name: string): Promise<Account> {
  const number = async (flag: string) => Number((await must("id", [flag, name])).text);
  return { uid: await number("-u"), gid: await number("-g") };
}

async function chown(folder: string, { uid, gid }: Account): Promise<void> {
  for (const { name } of Deno.readDirSync(folder)) {
    await Deno.chown(`${folder}/${name}`, uid!, gid!);
  }
  await Deno.chown(folder, uid!, gid!);
}
