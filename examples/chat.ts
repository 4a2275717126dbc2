/**
 * A chat room that needs only `ssh` to join.
 *
 *     deno run --allow-net --allow-read --allow-write --allow-sys=uid \
 *       examples/chat.ts [PORT] [HOST_KEY]
 *
 * Try it from several terminals: `ssh -p 2222 ann@localhost`.
 */
import { printable } from "@denossh/ssh";
import { hostKeyFile, serve, type Session } from "@denossh/ssh/server";

const [port = "2222", hostKey = "chat_host_key"] = Deno.args;
/** Messages queued for a slow reader; further ones are dropped. */
const BEHIND = 100;

/** The members, each with the number of messages that wait to be sent to it. */
const room = new Map<Session, number>();

function say(text: string, from?: Session): void {
  for (const [member, behind] of room) {
    if (member === from || behind >= BEHIND) continue;
    room.set(member, behind + 1);
    // On a terminal, the line being typed is moved down.
    const sent = member.print(`${member.pty ? "\r\x1b[K" : ""}${text}\n`);
    const done = () => room.has(member) && room.set(member, room.get(member)! - 1);
    sent.then(done, done);
  }
}

async function chat(session: Session): Promise<void> {
  const name = printable(session.user, 32);
  const others = [...room.keys()].map(({ user }) => printable(user, 32)).join(", ") ||
    "nobody else";
  await session.print(`Welcome, ${name}. Here: ${others}. Ctrl-C leaves.\n`);
  room.set(session, 0);
  say(`* ${name} came`);
  try {
    for await (const line of session.lines()) {
      if (line !== "") say(`${name}: ${printable(line)}`, session);
    }
  } finally {
    room.delete(session);
    say(`* ${name} left`);
  }
}

await using server = serve({
  port: Number(port),
  hostname: "127.0.0.1",
  hostKeys: [await hostKeyFile(hostKey)],
  auth: { none: () => true }, // names are not checked
  onListen: ({ port }) => console.log(`Listening on port ${port}`),
}, chat);
await server.finished;
