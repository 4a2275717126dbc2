/**
 * npm's ssh2 for `bench/sftp.ts`, on Node or Deno: fastGet and fastPut, sixteen small files in
 * parallel. It cannot recurse, so folders are listed on this machine, which costs it no round trips.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import process from "node:process";

const AT_ONCE = 16;
const settings = JSON.parse(process.argv[2] ?? "{}");
const { modules, port, user, identity, cipher, folder, out, actions } = settings;
const { Client } = createRequire(`${modules}/package.json`)("ssh2");

const client = new Client();
client.on("error", fail);
client.on("ready", () =>
  client.sftp((error, sftp) => {
    if (error) return fail(error);
    measure(sftp).then((times) => {
      console.log(JSON.stringify(times));
      client.end();
    }, fail);
  }));
client.connect({
  host: "127.0.0.1",
  port,
  username: user,
  privateKey: readFileSync(identity),
  algorithms: { cipher: [cipher] },
});

async function measure(sftp) {
  const copy = {
    get: promised((...args) => sftp.fastGet(...args)),
    put: promised((...args) => sftp.fastPut(...args)),
  };
  const mkdir = promised((path, _, done) => sftp.mkdir(path, done));
  const times = {};
  for (const action of actions) {
    const [verb, what] = action.split(" ");
    const [from, to] = [`${folder}/${what}`, `${out}/copy`];
    const [began, cpu] = [performance.now(), process.cpuUsage()];
    if (what === "large") await copy[verb](from, to);
    else {
      const files = [];
      for (
        const { folder, name, isFolder } of [
          { folder: "", name: "", isFolder: true },
          ...walk(from),
        ]
      ) {
        const path = `${folder}/${name}`;
        if (!isFolder) files.push(path);
        else if (verb === "get") mkdirSync(`${to}${path}`);
        else await mkdir(`${to}${path}`);
      }
      await each(files, (path) => copy[verb](`${from}${path}`, `${to}${path}`));
    }
    const { user, system } = process.cpuUsage(cpu);
    times[action] = { ms: performance.now() - began, cpu: (user + system) / 1000 };
    rmSync(to, { recursive: true });
  }
  return times;
}

function* walk(root, folder = "") {
  for (const entry of readdirSync(root + folder, { withFileTypes: true })) {
    const isFolder = entry.isDirectory();
    yield { folder, name: entry.name, isFolder };
    if (isFolder) yield* walk(root, `${folder}/${entry.name}`);
  }
}

async function each(paths, run) {
  const worker = async () => {
    for (let path; (path = paths.pop()) !== undefined;) await run(path);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

function promised(start) {
  return (from, to) =>
    new Promise((resolve, reject) => start(from, to, (error) => error ? reject(error) : resolve()));
}

function fail(error) {
  console.error(error.message);
  process.exit(255);
}
