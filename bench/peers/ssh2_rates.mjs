/**
 * Measures the same rates as `runtime_rates.ts` with npm's ssh2 on Node. Settings come as JSON in the
 * first argument:
 * { modules, port, user, key, cipher, command, bytes, file, out }; MB/s go to standard output as JSON.
 */
import { statSync } from "node:fs";
import { createRequire } from "node:module";
import process from "node:process";

const settings = JSON.parse(process.argv[2] ?? "{}");
const { modules, port, user, key, cipher, command, bytes, file, out } = settings;
const { Client } = createRequire(`${modules}/package.json`)("ssh2");

const client = new Client();
client.on("error", fail);
client.on("ready", () =>
  measure().then((rates) => {
    console.log(JSON.stringify(rates));
    client.end();
  }, fail));
client.connect({
  host: "127.0.0.1",
  port,
  username: user,
  privateKey: key,
  algorithms: { cipher: [cipher] },
});

async function measure() {
  const exec = await rate((resolve, reject) =>
    client.exec(command, (error, stream) => {
      if (error) return reject(error);
      let received = 0;
      stream.on("data", (chunk) => received += chunk.length);
      stream.on("close", () => resolve(received));
      stream.stderr.resume();
    })
  );
  const sftp = await new Promise((resolve, reject) =>
    client.sftp((error, sftp) => error ? reject(error) : resolve(sftp))
  );
  const get = await rate((resolve, reject) =>
    sftp.fastGet(file, out, (error) => error ? reject(error) : resolve(statSync(out).size))
  );
  return { exec, get };
}

async function rate(transfer) {
  const began = performance.now();
  const received = await new Promise(transfer);
  const ms = performance.now() - began;
  if (received !== bytes) throw new Error(`${received} of ${bytes} bytes came`);
  return bytes / ms / 1000;
}

function fail(error) {
  console.error(error.message);
  process.exit(255);
}
