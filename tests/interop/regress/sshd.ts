/**
 * Our server with sshd's flags and files, for OpenSSH's regress scripts: `-i` serves standard input and
 * output, `-t` and `-T` check the configuration; without them it listens and writes PidFile. Every
 * login has the rights of the server's user.
 */
import { algorithmOptions, resolveSuite } from "../../../lib/crypto/suite.ts";
import { parseFlags } from "../../../lib/cli/shared/flags.ts";
import {
  localFiles,
  type Login,
  serve,
  type ServeOptions,
  serveStreams,
} from "../../../lib/server/mod.ts";
import { NOBODY, type Peer, SshdConfig } from "./sshd_config.ts";
import { hostKeysOf, isOn, serveSettings, textOf } from "./sshd_settings.ts";
import {
  authPolicy,
  forwardPolicy,
  runSession,
  type ValuesOf,
  withoutStyle,
} from "./sshd_users.ts";

const LETTERS = "46C:c:DdE:ef:g:h:ik:o:p:qrTtu:V";
const FAILURE = 255;
/** The part of the server's environment that a login gets. */
const INHERITED = ["HOME", "PATH", "DENO_DIR", "TMPDIR"];

const { flags } = parseFlags(Deno.args, { letters: LETTERS });
const has = (letter: string) => flags.some(({ name }) => name === letter);
const last = (letter: string) => flags.findLast(({ name }) => name === letter)?.value ?? null;
const all = (letter: string) =>
  flags.filter(({ name }) => name === letter).map(({ value }) => value);

const logFile = last("E");
function log(line: string): void {
  const bytes = new TextEncoder().encode(`${line}\n`);
  if (logFile === null) Deno.stderr.writeSync(bytes);
  else Deno.writeFileSync(logFile, bytes, { append: true });
}

function readConfig(): Promise<SshdConfig> {
  return SshdConfig.read(last("f"), [...all("o"), ...all("p").map((port) => `Port ${port}`)]);
}

async function optionsFor(config: SshdConfig): Promise<ServeOptions> {
  const before = config.for(NOBODY);
  const valuesOf = (address: Deno.Addr | null): ValuesOf => (user) =>
    config.for({ ...peerOf(address), user: withoutStyle(user) });
  const policy = (address: Deno.Addr | null) => authPolicy(valuesOf(address), before);
  const forward = ({ remoteAddr }: Login) => forwardPolicy(valuesOf(remoteAddr));
  // Algorithms announced before the user is known are those of any user.
  const lists = [
    textOf(before, "PubkeyAcceptedAlgorithms"),
    ...config.all("PubkeyAcceptedAlgorithms"),
  ];
  const userKey = lists.flatMap((list) => resolveSuite(list ? { userKey: list } : {}).userKey);
  const settings = serveSettings(before);
  return {
    ...settings,
    algorithms: { ...algorithmOptions(settings.algorithms), userKey },
    hostKeys: await hostKeysOf(before),
    auth: {
      ...policy(null),
      publicKey: (user, key, client) => policy(client.remoteAddr).publicKey!(user, key, client),
    },
    forward: {
      local: (to, login) => forward(login).local!(to, login),
      remote: (on, login) => forward(login).remote!(on, login),
      agent: (login) => forward(login).agent!(login),
      x11: (login) => forward(login).x11!(login),
    },
    pty: isOn(before, "PermitTTY", true),
    // OpenSSH 9.2 has no penalties, and the scripts often fail to log in.
    penalties: false,
    ...before.has("subsystem") &&
      { sftp: localFiles({ root: "/", home: Deno.env.get("HOME") ?? "/" }) },
    onAttempt: ({ user, method, accepted }) =>
      log(`${accepted ? "Accepted" : "Failed"} ${method} for ${user}`),
    onError: (error) => log(`debug1: ${error instanceof Error ? error.stack : error}`),
  };
}

function peerOf(address: Deno.Addr | null): Peer {
  if (address === null || !("hostname" in address)) return NOBODY;
  return { ...NOBODY, address: address.hostname, localAddress: "127.0.0.1" };
}

async function serveStandardStreams(): Promise<number> {
  const config = await readConfig();
  const options = await optionsFor(config);
  const streams = { readable: Deno.stdin.readable, writable: Deno.stdout.writable };
  const valuesOf: ValuesOf = (user) => config.for({ ...NOBODY, user });
  const served = serveStreams(streams, options, (session) => runSession(session, valuesOf));
  const cause = await served.closed;
  log(`debug1: ${cause}`);
  return FAILURE;
}

/** Listens until a signal ends it; SIGHUP reloads the configuration. */
async function listen(): Promise<number> {
  for (;;) {
    const config = await readConfig();
    const values = config.for(NOBODY);
    const options = await optionsFor(config);
    const hostname = textOf(values, "ListenAddress") ?? "0.0.0.0";
    const port = Number(textOf(values, "Port") ?? 22);
    const told = Promise.withResolvers<"again" | "end">();
    const again = () => told.resolve("again");
    const end = () => told.resolve("end");
    Deno.addSignalListener("SIGHUP", again);
    for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, end);
    const server = serve({ penalties: false, ...options, hostname, port }, (session) => {
      const peer = peerOf(session.remoteAddr);
      return runSession(session, (user) => config.for({ ...peer, user }));
    });
    const pidFile = textOf(values, "PidFile");
    if (pidFile !== undefined) await Deno.writeTextFile(pidFile, `${Deno.pid}\n`);
    log(`Server listening on ${hostname} port ${port}.`);
    const what = await told.promise;
    await server.shutdown();
    Deno.removeSignalListener("SIGHUP", again);
    for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.removeSignalListener(signal, end);
    if (what === "again") continue;
    if (pidFile !== undefined) await Deno.remove(pidFile).catch(() => {});
    return 0;
  }
}

/** `-T`: prints the resulting configuration for the connection of `-C`. */
async function show(): Promise<number> {
  const words = all("C").flatMap((spec) => spec.split(","));
  const named = (name: string) =>
    words.findLast((word) => word.startsWith(`${name}=`))?.slice(name.length + 1) ?? null;
  const values = (await readConfig()).for({
    user: named("user"),
    host: named("host"),
    address: named("addr"),
    localAddress: named("laddr"),
    localPort: named("lport"),
    rdomain: named("rdomain"),
  });
  for (const [name, lines] of values) {
    if (name === "rekeylimit") continue;
    for (const line of lines) console.log(`${name} ${line.join(" ")}`);
  }
  const { rekey } = serveSettings(values);
  if (rekey) console.log(`rekeylimit ${rekey.bytes ?? 0} ${(rekey.milliseconds ?? 0) / 1000}`);
  return 0;
}

async function check(): Promise<number> {
  const values = (await readConfig()).for(NOBODY);
  serveSettings(values);
  isOn(values, "PubkeyAuthentication", true);
  return 0;
}

for (const name of Object.keys(Deno.env.toObject())) {
  if (!INHERITED.includes(name)) Deno.env.delete(name);
}
try {
  const run = has("t") ? check : has("T") ? show : has("i") ? serveStandardStreams : listen;
  Deno.exit(await run());
} catch (error) {
  log(`${error instanceof Error ? error.stack : error}`);
  Deno.exit(FAILURE);
}
