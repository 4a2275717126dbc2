import { assertRejects } from "@std/assert";
import { runtime } from "../../lib/runtime/runtime.ts";

for (const method of ["close", Symbol.dispose] as const) {
  Deno.test({
    name: `The file of a unix socket is gone after ${String(method)} of its listener`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      const folder = await Deno.makeTempDir();
      try {
        const listener = runtime.net.listenUnix(`${folder}/socket`);
        await Deno.lstat(`${folder}/socket`);
        listener[method]();
        await assertRejects(() => Deno.lstat(`${folder}/socket`), Deno.errors.NotFound);
        listener[Symbol.dispose]();
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}
