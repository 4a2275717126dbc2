/** The declarations of the npm package, for programs in TypeScript. */
import { assertEquals } from "@std/assert";
import { dirname } from "node:path";
import { installPackage } from "../harness/npm_package.ts";
import { type Peer, peerTest, requirePeer } from "../harness/peers.ts";
import { run } from "../../support/run.ts";

const COMPILERS = ["typescript", "typescript5"] as const satisfies readonly Peer[];

/** A program's types: those of Node, of browsers, or both. */
const PROJECTS: Readonly<Record<string, object>> = {
  node: { module: "nodenext", lib: ["es2022"], types: ["node"] },
  page: {
    module: "esnext",
    moduleResolution: "bundler",
    lib: ["es2022", "dom", "dom.asynciterable"],
    types: [],
  },
  newest: { module: "esnext", moduleResolution: "bundler", target: "esnext", types: ["node"] },
};

await peerTest(
  ["npm", "types-node", ...COMPILERS],
  "A program in TypeScript compiles with the npm package's declarations",
  async (t) => {
    await using installed = await installPackage();
    const source = new URL("../peers/runtimes/typed_program.ts", import.meta.url);
    await Deno.copyFile(source, `${installed.folder}/program.ts`);
    await Deno.writeTextFile(
      `${installed.folder}/core.ts`,
      'import core from "@denossh/ssh/core.wasm"; export const given: object = core;',
    );
    const typeRoots = [dirname(dirname(await requirePeer("types-node")))];
    for (const compiler of COMPILERS) {
      const tsc = await requirePeer(compiler);
      for (const [name, options] of Object.entries(PROJECTS)) {
        await t.step(`${compiler}: ${name}`, async () => {
          const config = `${installed.folder}/${name}.json`;
          const compilerOptions = {
            target: "es2022",
            strict: true,
            exactOptionalPropertyTypes: true,
            noUncheckedIndexedAccess: true,
            noEmit: true,
            skipLibCheck: false, // the declarations themselves are checked
            typeRoots,
            ...options,
          };
          await Deno.writeTextFile(
            config,
            JSON.stringify({ compilerOptions, files: ["program.ts", "core.ts"] }),
          );
          const { code, text } = await run("node", [tsc, "-p", config]);
          assertEquals([code, text], [0, ""]);
        });
      }
    }
  },
);
