/** Lines that a client types or pipes, and the words of its command, as a handler sees them. */
import { assertEquals } from "@std/assert";
import { connectedPair } from "@denossh/ssh/testing";

Deno.test("session.lines() echoes and edits on a terminal, and returns plain lines otherwise", async () => {
  const seen: string[] = [];
  await using pair = await connectedPair({
    handler: async (session) => {
      for await (const line of session.lines()) {
        seen.push(line);
        await session.print(`<${line}>\n`);
      }
      return 4;
    },
  });
  await using shell = await pair.host.shell();
  await shell.send("hell");
  await shell.expect("hell");
  await shell.send("p\x7fo\rnext");
  await shell.expect("p\b \bo\r\n<hello>\r\nnext");
  await shell.send("\r\x04");
  assertEquals((await shell.status).code, 4);
  const piped = await pair.host.command("x", { input: "one\r\ntwo\x7f" }).output();
  assertEquals(new TextDecoder().decode(piped.stdout), "<one>\n<two\x7f>\n");
  assertEquals(seen, ["hello", "next", "one", "two\x7f"]);
});

Deno.test("session.arguments are the words of the command; a shell has none", async () => {
  await using pair = await connectedPair({
    handler: (session) => session.print(JSON.stringify(session.arguments)),
  });
  const { host } = pair;
  assertEquals(await host.command("git-upload-pack '/a b.git'").json(), [
    "git-upload-pack",
    "/a b.git",
  ]);
  await using shell = await host.shell({ pty: false });
  assertEquals(new TextDecoder().decode((await shell.output()).stdout), "[]");
  assertEquals((await host.command("open 'quote").output()).code, 1);
});
