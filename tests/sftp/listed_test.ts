import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { FXP } from "../../lib/sftp/protocol/numbers.ts";
import { allListed, ListedBytes } from "../../lib/sftp/remote/listed.ts";
import { SftpError } from "../../lib/sftp/mod.ts";
import { atServer, handle, status } from "./raw.ts";

const MIB = 1024 ** 2;

/** The error of a call. */
async function failure(run: () => Promise<unknown>): Promise<SftpError> {
  try {
    await run();
  } catch (error) {
    if (error instanceof SftpError) return error;
    throw error;
  }
  throw new Error("It did not fail");
}

for (const what of ["remove", "glob"] as const) {
  Deno.test(`an endless listing of long names ends at its byte limit (${what})`, async () => {
    const attributes = { mode: 0o100644 };
    let sent = 0;
    await using client = await atServer(async ({ type, id, body }, peer) => {
      if (type === FXP.OPENDIR) return await peer.send(msg.Handle.encode(id, { handle }));
      if (type === FXP.STAT || type === FXP.LSTAT) {
        const mode = msg.Stat.decode(body).path === "/" ? 0o040755 : 0o100644;
        return await peer.send(msg.Attrs.encode(id, { attributes: { mode } }));
      }
      if (type !== FXP.READDIR) return await peer.send(status(id, 4));
      const entries = Array.from({ length: 12 }, () => {
        sent += 20_000;
        return { name: `${sent}`.padEnd(20_000, "x"), longname: "", attributes };
      });
      await peer.send(msg.Name.encode(id, { entries }));
    });
    const error = await failure(() => {
      if (what === "remove") return client.remove("/", { recursive: true });
      return Array.fromAsync(client.glob("/*"));
    });
    assertStringIncludes(error.message, "the folder has too many entries");
    assert(sent < 200 * MIB, `${sent} bytes of names were read`);
  });
}

Deno.test("a million names of ordinary length are allowed", () => {
  const held = new ListedBytes("/");
  for (let i = 0; i < 1_000_000; i++) held.add("a-name-that-is-28-bytes.long");
});

Deno.test("allListed returns all entries in order", async () => {
  async function* listing() {
    for (const name of ["b", "a"]) yield await Promise.resolve({ name });
  }
  assertEquals(await allListed("/", listing()), [{ name: "b" }, { name: "a" }]);
});
