/** Runs a worker locally: workerd with one script. */
import { freePort } from "../../support/free_port.ts";
import { Program } from "../../support/program.ts";
import type { TempFolder } from "../../support/temp.ts";
import { requirePeer } from "./peers.ts";

const TRIES = 5;

/** A worker that answers requests. */
export interface Worker extends AsyncDisposable {
  readonly url: string;
  /** The output of workerd. */
  readonly log: string;
}

/** Options of a worker. */
export interface WorkerOptions {
  /** The compatibility date, which selects the platform's features; one of 2026 unless given. */
  readonly compatibilityDate?: string;
  /** Modules beside the script: the bytes by the name that the script imports. */
  readonly wasm?: Readonly<Record<string, Uint8Array>>;
  /** Variables of the worker's environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a worker of the script in a folder. */
export async function startWorker(
  folder: TempFolder,
  script: string,
  { compatibilityDate = "2026-11-01", wasm = {}, env = {} }: WorkerOptions = {},
): Promise<Worker> {
  const modules = [`(name = "${script}", esModule = embed "${script}")`];
  for (const [i, [name, bytes]] of Object.entries(wasm).entries()) {
    await folder.write(`${i}.wasm`, bytes);
    modules.push(`(name = "${name}", wasm = embed "${i}.wasm")`);
  }
  const bindings = Object.entries(env)
    .map(([name, value]) => `(name = ${JSON.stringify(name)}, text = ${JSON.stringify(value)})`);
  for (let tries = 1;; tries++) {
    const port = freePort();
    const config = await folder.write(
      `${script}.capnp`,
      `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "internet", network = (allow = ["local", "private", "public"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [${modules.join(", ")}],
  bindings = [${bindings.join(", ")}],
  compatibilityDate = "${compatibilityDate}",
);
`,
    );
    const args = ["serve", "--verbose", "--control-fd=1", config];
    const program = new Program(await requirePeer("workerd"), { args });
    try {
      await program.waitFor(/"event":"listen","socket":"http"/);
      return {
        url: `http://127.0.0.1:${port}/`,
        get log() {
          return program.log;
        },
        [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
      };
    } catch (error) {
      await program[Symbol.asyncDispose]();
      if (tries === TRIES || !/already in use/.test(String(error))) throw error;
    }
  }
}
