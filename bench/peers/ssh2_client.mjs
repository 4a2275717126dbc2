/**
 * Runs one command with npm's ssh2, on Node or Deno: standard input, output and error are joined to it.
 * Settings come as JSON in the first argument: { modules, port, user, identity, cipher, command }.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import process from "node:process";

const { modules, port, user, identity, cipher, command } = JSON.parse(process.argv[2] ?? "{}");
const { Client } = createRequire(`${modules}/package.json`)("ssh2");

const client = new Client();
client.on("error", fail);
client.on("ready", () => {
  client.exec(command, (error, stream) => {
    if (error) return fail(error);
    stream.on("exit", (code) => process.exitCode = code ?? 255);
    stream.on("close", () => client.end());
    stream.stderr.pipe(process.stderr);
    stream.pipe(process.stdout);
    process.stdin.pipe(stream);
  });
});
client.on("close", () => process.stdin.destroy());
client.connect({
  host: "127.0.0.1",
  port,
  username: user,
  privateKey: readFileSync(identity),
  algorithms: { cipher: [cipher] },
});

function fail(error) {
  console.error(error.message);
  process.exit(255);
}
