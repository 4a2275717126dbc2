/**
 * npm's ssh2 for `bench/sftp.ts`, on Node or Deno: fastGet and fastPut, small files sixteen at once. It has
 * no recursion, so a tree is left out.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import process from "node:process";

const AT_ONCE = 16;
const settings = JSON.parse(process.argv[2] ?? "{}");
const { modules, port, user, identity, cipher, folder, actions } = settings;
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
  const times = {};
  for (const action of actions) {
    const [verb, what] = action.split(" ");
    if (what === "tree") continue;
    const [from, to] = [`${folder}/${what}`, `${folder}/out`];
    const began = performance.now();
    if (what === "large") await copy[verb](from, to);
    else {await each(readdirSync(from), to, (name) =>
        copy[verb](`${from}/${name}`, `${to}/${name}`));}
    times[action] = performance.now() - began;
    rmSync(to, { recursive: true });
  }
  return times;
}

async function each(names, to, run) {
  mkdirSync(to);
  const worker = async () => {
    for (let name; (name = names.pop()) !== undefined;) await run(name);
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
