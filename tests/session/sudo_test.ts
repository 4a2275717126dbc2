/** Commands with sudo: the password dialog, and the different failures. */
import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import { Channel, CommandError, SudoError, type SudoOptions } from "@denossh/ssh";
import { type SessionHandler, systemShell } from "@denossh/ssh/server";
import { connectedPair } from "@denossh/ssh/testing";
import { SUDO_TIMEOUT_MS } from "../../lib/defaults.ts";
import { FakeTime } from "../support/fake_time.ts";
import { replaced } from "../support/replaced.ts";
import { tempFolder } from "../support/temp.ts";
import { plainMessage } from "../../lib/error_messages.ts";

const SECRET = "open sesame";

/** Imitates sudo with `-S -H -p PROMPT [-u USER] -- PROGRAM ARGS` in a shell. */
const FAKE_SUDO = `#!/bin/sh
[ "$1 $2 $3" = "-S -H -p" ] || exit 99
prompt=$4; shift 4
export SUDO_AS=root
if [ "$1" = -u ]; then SUDO_AS=$2; shift 2; fi
[ "$1" = -- ] || exit 98
shift
for try in 1 2 3; do
  printf %s "$prompt" >&2
  IFS= read -r given || { echo "sudo: no password was provided" >&2; exit 1; }
  [ "$given" = "${SECRET}" ] && exec "$@"
  printf '\\nSorry, try again.\\n' >&2
done
echo "sudo: 3 incorrect password attempts" >&2
exit 1
`;

/** A client of a server whose sudo is the one above, run by a real shell. */
async function shellWorld() {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder());
  await folder.write("sudo", FAKE_SUDO, 0o755);
  const handler = systemShell({ env: { PATH: `${folder.path}:/usr/bin:/bin` } });
  const { host } = stack.use(await connectedPair({ handler }));
  const parts = stack.move();
  return { host, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

/** A server whose sudo is a function, which gets the prompt, the mark and lines of input. */
function played(
  play: (sudo: {
    say(text: string): Promise<void>;
    ask(): Promise<string | undefined>;
    run(): Promise<void>;
  }) => Promise<number>,
): SessionHandler {
  return (session) => {
    const [prompt, begun, rest] = session.command!.match(/\[sudo \w+\] |\[run \w+|\w+\]/g)!;
    const lines = session.channel.lines();
    return play({
      say: (text) => session.printError(text),
      async ask() {
        await session.printError(prompt!);
        const { value } = await lines.next();
        return value as string | undefined;
      },
      run: () => session.printError(`${begun}${rest}`),
    });
  };
}

Deno.test("sudo() runs a command as root, with its own input after the password", async () => {
  await using world = await shellWorld();
  const { host } = world;
  const options: SudoOptions = { password: () => Promise.resolve(SECRET) };
  assertEquals(await host.sudo('echo "$SUDO_AS"', options).text(), "root");
  assertEquals(
    await host.sudo("cat", { ...options, input: "my own\ninput" }).text(),
    "my own\ninput",
  );
  await using process = await host.sudo("cat; exit 3", options).spawn();
  await process.send("piped\n");
  await process.stdin.close();
  const { code, stdout, stderr } = await process.output();
  assertEquals([code, new TextDecoder().decode(stdout), stderr.length], [3, "piped\n", 0]);
});

Deno.test("sudo() supports args, cwd, env, user and the options of standard error", async () => {
  await using world = await shellWorld();
  const { host } = world;
  const run = (command: string, options: SudoOptions) =>
    host.sudo(command, { password: SECRET, ...options });
  assertEquals(await run("echo", { args: ["a b", "it's", "$HOME"] }).text(), "a b it's $HOME");
  assertEquals(await run("pwd; echo $SUDO_AS", { cwd: "/", user: "ann b" }).lines(), [
    "/",
    "ann b",
  ]);
  assertEquals(await run('echo "$A$B"', { env: { A: "1 '", B: "$C" } }).text(), "1 '$C");
  const noisy = "echo one; echo two >&2; echo three";
  assertEquals(await run(noisy, { stderr: "merge" }).lines(), ["one", "two", "three"]);
  const { stdout, stderr } = await run(noisy, { stderr: "null" });
  assertEquals([new TextDecoder().decode(stdout), stderr.length], ["one\nthree\n", 0]);
  assertEquals(new TextDecoder().decode((await run(noisy, {})).stderr), "two\n");
});

Deno.test("A command that fails under sudo is a CommandError with the command's name", async () => {
  await using world = await shellWorld();
  const failing = () => world.host.sudo("echo no >&2; exit 7", { password: SECRET }).text();
  const error = await assertRejects(failing, CommandError);
  assertEquals(error.exitCode, 7);
  assertEquals(plainMessage(error), 'Command "echo no >&2; exit 7" failed with exit code 7: no');
});

Deno.test("A wrong password is sent once, and a function is called for another", async () => {
  await using world = await shellWorld();
  const { host } = world;
  const wrong = async (password: SudoOptions["password"]) => {
    const error = await assertRejects(async () => await host.sudo("id", { password }), SudoError);
    assertEquals([error.code, error.reason], ["sudo", "password"]);
    assert(!plainMessage(error).includes("guess"));
    return plainMessage(error);
  };
  assertMatch(await wrong("guess"), /did not accept the password$/);
  assertMatch(await wrong(() => "guess"), /did not accept the password$/);
  assertMatch(await wrong(undefined), /asks for a password: give the option password$/);
  assertMatch(await wrong(() => null), /asks for a password: give/);
  assertMatch(
    await wrong((attempt) => `guess ${attempt}`),
    /sudo: 3 incorrect password attempts"$/,
  );
  const attempts: number[] = [];
  const password = (attempt: number) => (attempts.push(attempt), attempt === 2 ? SECRET : "guess");
  assertEquals(await host.sudo("echo in", { password }).text(), "in");
  assertEquals(attempts, [1, 2]);
});

Deno.test("If sudo needs no password, the caller is not asked, and none is sent", async () => {
  await using pair = await connectedPair({
    handler: async (session) => {
      await played(async ({ run }) => (await run(), 0))(session);
      return (await session.channel.readAll()).length;
    },
  });
  const password = () => Promise.reject(new Error("asked"));
  assertEquals((await pair.host.sudo("id", { password }).output()).code, 0);
});

Deno.test("A refusal by sudo has its message, also if that quotes the command line", async () => {
  await using pair = await connectedPair({
    handler: (session) =>
      played(async ({ say, ask }) => {
        await ask();
        const [, command] = session.command!.split(" -- ");
        await say(`\nSorry, ann may not execute '${command}'\n as \x1b[31mroot\n`);
        return 1;
      })(session),
  });
  const failing = async () => await pair.host.sudo("id", { password: SECRET });
  const error = await assertRejects(failing, SudoError, "id' as [31mroot\"");
  assertEquals(error.reason, "refused");
});

Deno.test("A sudo that neither prompts nor runs is a separate time-out, without the time for the answer", async () => {
  using time = new FakeTime();
  const pair = await time.settle(
    connectedPair({
      serve: { keepaliveInterval: 0 },
      handler: played(async ({ say, ask }) => {
        await ask();
        await say("Verification code: ");
        return await new Promise<number>(() => {});
      }),
    }),
    1000,
  );
  const slow = () =>
    new Promise<string>((resolve) => setTimeout(() => resolve(SECRET), 100 * SUDO_TIMEOUT_MS));
  const running = pair.host.sudo("id", { password: slow }).text().catch((error) => error);
  const error = await time.settle(running);
  assertInstanceOf(error, SudoError);
  assertEquals(error.reason, "timeout");
  assertMatch(
    plainMessage(error),
    /neither asked nor ran .* within 30000 ms: .*"Verification code:"$/,
  );
  assert(time.now >= 101 * SUDO_TIMEOUT_MS);
  await pair[Symbol.asyncDispose]();
});

Deno.test("A signal ends the wait for the password, and for sudo", async () => {
  const leaving = new AbortController();
  await using pair = await connectedPair({
    handler: played(async ({ ask }) => (await ask(), 0)),
  });
  const password = () => {
    leaving.abort(new Error("the user left"));
    return new Promise<string>(() => {});
  };
  const running = async () => await pair.host.sudo("id", { password, signal: leaving.signal });
  await assertRejects(running, Error, "the user left");
});

Deno.test("A signal ends the wait for sudo itself with its reason", async () => {
  const leaving = new AbortController();
  await using pair = await connectedPair({
    handler: () => {
      leaving.abort(new Error("the user left"));
      return new Promise<number>(() => {});
    },
  });
  const running = async () => await pair.host.sudo("id", { signal: leaving.signal });
  await assertRejects(running, Error, "the user left");
});

Deno.test("The password arrives complete through a small window, and its bytes are wiped", async () => {
  const long = "x".repeat(20_000);
  const lines: Uint8Array[] = [];
  const { writeAll } = Channel.prototype;
  using _seen = replaced(Channel.prototype, "writeAll", function (this: Channel, ...data) {
    if (this.connection.role === "client") lines.push(data[0] as Uint8Array);
    return Reflect.apply(writeAll, this, data);
  });
  await using pair = await connectedPair({
    serve: { window: 4_096 },
    handler: played(async ({ ask, run }) => {
      assertEquals((await ask())?.length, long.length);
      await run();
      return 0;
    }),
  });
  await pair.host.sudo("id", { password: long });
  assertEquals(lines.map(({ length }) => length), [long.length + 1]);
  assert(lines[0]!.every((byte) => byte === 0));
});

Deno.test("The password is only in its own line, and in no trace", async () => {
  const traced: string[] = [];
  await using pair = await connectedPair({
    connect: { trace: (event) => traced.push(JSON.stringify(event)) },
    handler: (session) => {
      assert(!session.command!.includes(SECRET));
      return played(async ({ ask, run, say }) => {
        assertEquals(await ask(), SECRET);
        await run();
        await say("failed");
        return 1;
      })(session);
    },
  });
  const failing = async () => await pair.host.sudo("id", { password: SECRET });
  const error = await assertRejects(failing, CommandError);
  assert(!Deno.inspect(error).includes(SECRET));
  assert(traced.length > 0 && !traced.join().includes(SECRET));
});

Deno.test("sudo() refuses invalid options", async () => {
  await using pair = await connectedPair({
    handler: played(async ({ ask }) => (await ask(), 0)),
  });
  const { host } = pair;
  const wrong = (options: Record<string, unknown>) => async () => await host.sudo("id", options);
  await assertRejects(wrong({ pty: true }), TypeError, 'sudo() has no option "pty"');
  await assertRejects(wrong({ password: 5 }), TypeError, "password must be text or a function");
  await assertRejects(wrong({ password: "two\nlines" }), TypeError, "one line");
  await assertRejects(wrong({ env: { "A-B": "1" } }), TypeError, '"A-B"');
});
