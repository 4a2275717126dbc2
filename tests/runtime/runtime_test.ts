import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { runtime, withMissingParts } from "../../lib/runtime/runtime.ts";

Deno.test("On Deno the parts are Deno's functions", () => {
  assertStrictEquals(runtime.files, Deno);
  assertStrictEquals(runtime.env, Deno.env);
  assertStrictEquals(runtime.terminal.stdout, Deno.stdout);
  assertEquals(runtime.os, Deno.build.os);
});

Deno.test("A runtime with sockets but without files throws that error for a file", () => {
  const { net } = runtime;
  const sockets = withMissingParts({ net });
  assertStrictEquals(sockets.net, net);
  const message = "Files are not available on this runtime: pass keys";
  assertThrows(() => sockets.files.statSync("/"), Deno.errors.NotSupported, message);
});

Deno.test("A runtime without parts grants nothing, and has no system", () => {
  const bare = withMissingParts({});
  assertEquals(bare.isGranted({ name: "env", variable: "HOME" }), false);
  assertEquals(bare.os, "");
  const message = 'connect over streams, with the option "transport"';
  assertThrows(() => bare.net, Deno.errors.NotSupported, message);
});

Deno.test("Parts may be getters, which are called when the part is used", () => {
  let calls = 0;
  const lazy = withMissingParts({
    get paths() {
      calls++;
      return runtime.paths;
    },
  });
  assertEquals(calls, 0);
  assertEquals(lazy.paths.basename("/a/b"), "b");
  assertEquals(calls, 1);
});

Deno.test("On Deno the parts are chosen before its imitation of Node", async () => {
  const described = Object.getOwnPropertyDescriptor(globalThis, "process")!;
  let reads = 0;
  Object.defineProperty(globalThis, "process", { configurable: true, get: () => void reads++ });
  try {
    const { ownParts } = await import(String("../../lib/runtime/own_parts.ts?again"));
    assertEquals([ownParts.name, reads], ["Deno", 0]);
  } finally {
    Object.defineProperty(globalThis, "process", described);
  }
});
