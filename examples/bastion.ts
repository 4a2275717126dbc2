/**
 * A bastion: clients log in here, a policy decides which targets each user may reach, and sessions are
 * recorded.
 *
 *     deno run --allow-net --allow-env --allow-read --allow-write \
 *       examples/bastion.ts PORT HOST_KEY AUTHORIZED_KEYS TARGET RECORDINGS
 *
 * Try it: `ssh -p PORT localhost`, and afterwards `asciinema play RECORDINGS/…`.
 */
import { connect } from "@denossh/ssh";
import { allowPrograms, authorizedKeys, hostKeyFile } from "@denossh/ssh/server";
import { layered, logSessions, relay, serve, type SessionHandler } from "@denossh/ssh/server";

const [port, hostKey, keys, target, recordings] = Deno.args;
await Deno.mkdir(recordings!, { recursive: true });

const inside: SessionHandler = async (session) => {
  await using host = await connect(target!);
  const { writable, readable } = new TextEncoderStream();
  const path = `${recordings}/${session.user}-${crypto.randomUUID()}.cast`;
  const saving = Deno.writeFile(path, readable, { createNew: true, mode: 0o600 });
  await relay(session, host, { record: writable });
  await saving;
};

await using server = serve(
  {
    port: Number(port),
    hostname: "127.0.0.1",
    hostKeys: [await hostKeyFile(hostKey!)],
    auth: { publicKey: authorizedKeys(keys!) },
    onListen: ({ port }) => console.log(`Listening on port ${port}`),
  },
  layered(
    inside,
    logSessions(({ user, program, code }) => console.log(JSON.stringify({ user, program, code }))),
    allowPrograms((program) => !program?.includes("rm -r")),
  ),
);
await server.finished;
