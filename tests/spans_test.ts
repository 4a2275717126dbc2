import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { connectedPair } from "../lib/testing/mod.ts";
import { localFiles } from "../lib/server/mod.ts";
import { inSpan, startSpan } from "../lib/spans.ts";
import { record } from "./support/spans.ts";

const SECRET = "S3CRET";

Deno.test("startSpan passes the name, the kind and the known attributes to the registered tracer", () => {
  using recorded = record();
  const span = startSpan("ssh.exec", "client", { "server.address": "db1", "user.name": null });
  span.set({ "process.exit.code": 3, unknown: undefined });
  assertEquals(recorded.ended, []);
  span.end();
  assertEquals(recorded.ended, [{
    name: "ssh.exec",
    kind: 2,
    attributes: { "server.address": "db1", "process.exit.code": 3 },
    status: null,
  }]);
});

Deno.test("A failed span has the error's name, never its message", () => {
  using recorded = record();
  startSpan("ssh.login", "server").end(new TypeError(SECRET));
  assertEquals(recorded.ended, [{
    name: "ssh.login",
    kind: 1,
    attributes: { "error.type": "TypeError" },
    status: { code: 2, message: "TypeError" },
  }]);
});

Deno.test("inSpan ends its span, and returns or throws the function's result", async () => {
  using recorded = record();
  const count = await inSpan("sftp.put", "client", {}, (span) => {
    span.set({ "sftp.bytes": 6 });
    return Promise.resolve(7);
  });
  const failed = inSpan("sftp.get", "client", {}, () => Promise.reject(new RangeError("far")));
  await assertRejects(() => failed, RangeError, "far");
  assertEquals(count, 7);
  assertEquals(recorded.ended.map(({ name, status }) => [name, status?.message]), [
    ["sftp.put", undefined],
    ["sftp.get", "RangeError"],
  ]);
});

Deno.test("Without a tracer spans do nothing, and inSpan only calls its function", async () => {
  startSpan("ssh.exec", "client", { a: 1 }).end(new Error("unseen"));
  assertEquals(await inSpan("sftp.put", "client", {}, () => Promise.resolve(7)), 7);
  using recorded = record({ trace: undefined }); // an SDK that registers only metrics
  startSpan("ssh.exec", "client").end();
  assertEquals(recorded.ended, []);
});

Deno.test("Connections, logins, commands and transfers have spans without secrets", async () => {
  using recorded = record();
  const root = await Deno.makeTempDir();
  try {
    await useEverything(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
  const names = new Set(recorded.ended.map(({ name }) => name));
  for (const name of ["ssh.connect", "ssh.login", "ssh.exec", "sftp.put", "sftp.get"]) {
    assert(names.has(name), `no ${name} in ${[...names]}`);
  }
  const said = JSON.stringify(recorded.ended);
  for (const fact of [`"process.exit.code":3`, `"sftp.bytes":6`, `"error.type":"SftpError"`]) {
    assertStringIncludes(said, fact);
  }
  assert(!said.includes(SECRET), said);
});

Deno.test("Deno with OTEL_DENO=true exports the spans", async () => {
  const sent: string[] = [];
  await using collector = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    async (request) => {
      if (request.url.endsWith("/v1/traces")) sent.push(await request.text());
      else await request.body?.cancel();
      return Response.json({});
    },
  );
  const spans = new URL("../lib/spans.ts", import.meta.url).href;
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      "--no-config",
      `import { startSpan } from "${spans}"; startSpan("ssh.exec", "client").end();`,
    ],
    env: {
      OTEL_DENO: "true",
      OTEL_DENO_CONSOLE: "ignore",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.addr.port}`,
    },
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  assertMatch(sent.join(), /"name":\s*"ssh\.exec"/);
});

async function useEverything(root: string): Promise<void> {
  await using pair = await connectedPair({
    serve: { sftp: localFiles({ root }) },
    handler: () => 3,
  });
  await pair.host.command(SECRET).output();
  await using sftp = await pair.host.sftp();
  await sftp.put(new TextEncoder().encode(SECRET), "/file");
  await assertRejects(() => sftp.get("/nowhere", `${root}/copy`));
}
