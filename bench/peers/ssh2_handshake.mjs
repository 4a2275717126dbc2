/**
 * Times connecting and small commands with npm's ssh2, on Node or Deno. Settings come as JSON in the
 * first argument: { modules, port, user, identity, rounds: { connect, exec, atOnce }, many }; the
 * milliseconds go to standard output as JSON, in lists of the same names.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import process from "node:process";

const { modules, port, user, identity, rounds, many } = JSON.parse(process.argv[2] ?? "{}");
const { Client } = createRequire(`${modules}/package.json`)("ssh2");
const privateKey = readFileSync(identity);

const login = () =>
  new Promise((resolve, reject) => {
    const client = new Client();
    client.on("error", reject);
    client.on("ready", () => {
      client.setNoDelay(true); // with Nagle's algorithm a command takes 48 ms
      resolve(client);
    });
    client.connect({ host: "127.0.0.1", port, username: user, privateKey });
  });
const exec = (client) =>
  new Promise((resolve, reject) => {
    client.exec("true", (error, stream) => {
      if (error) return reject(error);
      stream.on("close", resolve).resume();
      stream.stderr.resume();
    });
  });
const end = (client) =>
  new Promise((resolve) => {
    client.on("close", resolve);
    client.end();
  });
const times = async (count, what) => {
  const all = [];
  for (let i = 0; i < count; i++) {
    const began = performance.now();
    await what();
    all.push(performance.now() - began);
  }
  return all;
};

const connectOnce = async () => {
  const client = await login();
  await exec(client);
  await end(client);
};
await connectOnce(); // compiles everything that is compiled once
const connect = await times(rounds.connect, connectOnce);
const client = await login();
await exec(client);
const execs = await times(rounds.exec, () => exec(client));
const atOnce = await times(
  rounds.atOnce,
  () => Promise.all(Array.from({ length: many }, () => exec(client))),
);
await end(client);
console.log(JSON.stringify({ connect, exec: execs, atOnce }));
