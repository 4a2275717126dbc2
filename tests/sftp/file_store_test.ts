/** The target of a dry run. */
import { assertEquals } from "@std/assert";
import { infoOf } from "../../lib/sftp/protocol/attributes.ts";
import {
  type FileStore,
  type TransferSource,
  type TransferTarget,
  unwritten,
} from "../../lib/sftp/transfer/file_store.ts";

/** A store that records its calls and answers each with its name. */
function recorded(trusted: boolean) {
  const log: string[] = [];
  const call = (name: string) => (...args: unknown[]) => {
    log.push(`${name} ${args.map((arg) => typeof arg === "object" ? "{}" : arg).join(" ")}`);
    return name;
  };
  const names = [
    ...["stat", "lstat", "list", "join", "folderOf", "remove", "nameProblem", "realPath"],
    ...["readLink", "symlink", "makeFolder", "setAttributes", "source", "target"],
  ];
  const methods = Object.fromEntries(names.map((name) => [name, call(name)]));
  return { log, store: { trusted, ...methods } as unknown as FileStore };
}

Deno.test("a dry run reads the target as it is", async () => {
  for (const trusted of [true, false]) {
    const { log, store } = recorded(trusted);
    const dry = unwritten(store);
    assertEquals(dry.trusted, trusted);
    const info = infoOf({});
    const answers: unknown[] = [
      await dry.stat("a"),
      await dry.lstat("b"),
      dry.list("c"),
      dry.join("d", "e"),
      dry.folderOf("f"),
      dry.nameProblem("g"),
      await dry.realPath("h"),
      await dry.readLink("i"),
      await dry.source("j", info) as TransferSource | string,
      await dry.target({ path: "k", name: "l", info, inside: true }) as TransferTarget | string,
    ];
    assertEquals(answers, [
      ...["stat", "lstat", "list", "join", "folderOf", "nameProblem", "realPath", "readLink"],
      ...["source", "target"],
    ]);
    assertEquals(log, [
      ...["stat a", "lstat b", "list c", "join d e", "folderOf f", "nameProblem g", "realPath h"],
      ...["readLink i", "source j {}", "target {}"],
    ]);
  }
});

Deno.test("a dry run neither makes, removes nor finishes anything", async () => {
  const { log, store } = recorded(true);
  const dry = unwritten(store);
  await dry.remove("a");
  await dry.symlink("a", "b", "c");
  await dry.makeFolder("a", null, "root");
  await dry.setAttributes("a", infoOf({}));
  assertEquals(log, []);
});
