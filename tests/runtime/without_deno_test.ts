import { assertEquals } from "@std/assert";

Deno.test("Without Deno a connection over streams works, and errors name missing parts", async () => {
  const program = new URL("../support/bare_runtime.ts", import.meta.url);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", program.href],
    stderr: "inherit",
  }).output();
  assertEquals(JSON.parse(new TextDecoder().decode(stdout)), {
    ran: "ran uptime",
    noSockets: "ConnectError: Cannot connect to db1 port 22: Sockets are not available on this " +
      'runtime: connect over streams, with the option "transport", such as webSocketTransport() gives [connect]',
    noFiles:
      "TypeError: connect() needs auth and hostKeys on this runtime: files and an agent to " +
      "take them from are not available there",
  });
});
