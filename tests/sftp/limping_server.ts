/** A limited test server: short reads, answers in any order, one request at a time, lost links. */
import { FXP } from "../../lib/sftp/protocol/numbers.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { localFiles, serveSftp, type SftpChannel, SftpClient } from "../../lib/sftp/mod.ts";
import { status } from "./raw.ts";
import { channelPair } from "./world.ts";

export interface Limp {
  /** Bytes in both directions after which the link is lost. */
  readonly cutAfter?: number;
  /** READs return at most this many bytes, a new number for each. */
  readonly shortReads?: () => number;
  /** Answers are held until there are this many, and sent in reverse order. */
  readonly reorder?: number;
  /** READs, WRITEs and READDIRs are refused while this many requests are not answered. */
  readonly mostAtOnce?: number;
  /** READs and WRITEs of more bytes are refused. */
  readonly longest?: number;
  /** The announced extensions; those of our server unless given. */
  readonly extensions?: readonly string[];
}

/** A client with our server over a folder, with these limits in between. */
export async function limping(root: string, limp: Limp): Promise<SftpClient> {
  const [near, ours] = channelPair();
  const [theirs, far] = channelPair();
  serveSftp(far, localFiles({ root })).catch(() => {});
  const middle = new Middle(ours, theirs, limp);
  middle.run();
  return await SftpClient.open(near, { timeout: 20_000 });
}

class Middle {
  readonly #client: SftpChannel;
  readonly #server: SftpChannel;
  readonly #limp: Limp;
  #left: number;
  #open = 0;
  #held: Uint8Array[] = [];
  #greeted = false;
  #sending: Promise<void> = Promise.resolve();

  constructor(client: SftpChannel, server: SftpChannel, limp: Limp) {
    this.#client = client;
    this.#server = server;
    this.#limp = limp;
    this.#left = limp.cutAfter ?? Infinity;
  }

  run(): void {
    const lost = () => Promise.all([this.#client.close(), this.#server.close()]);
    this.#carry(this.#client, (frame) => this.#request(frame)).then(lost, lost);
    this.#carry(this.#server, (frame) => this.#answer(frame)).then(lost, lost);
  }

  async #carry(from: SftpChannel, frame: (frame: Uint8Array) => Promise<void>): Promise<void> {
    let rest = new Uint8Array(0);
    for (let chunk; (chunk = await from.readChunk()) !== null;) {
      const joined = new Uint8Array(rest.length + chunk.length);
      joined.set(rest);
      joined.set(chunk, rest.length);
      rest = joined;
      for (;;) {
        const length = rest.length < 4 ? Infinity : new DataView(rest.buffer).getUint32(0) + 4;
        if (rest.length < length) break;
        await frame(rest.slice(0, length));
        rest = rest.slice(length);
      }
    }
  }

  /** One frame at a time, since refusals and answers are merged here. */
  #send(to: SftpChannel, frame: Uint8Array): Promise<void> {
    const turn = to === this.#client ? this.#sending : Promise.resolve();
    const sending = turn.then(async () => {
      const sent = frame.subarray(0, Math.max(this.#left, 0));
      this.#left -= frame.length;
      await to.writeAll(sent);
      if (this.#left <= 0) throw new Error("cable cut");
    });
    if (to === this.#client) this.#sending = sending;
    return sending;
  }

  async #request(frame: Uint8Array): Promise<void> {
    const { mostAtOnce = Infinity, longest = Infinity, shortReads } = this.#limp;
    const type = frame[4]!;
    const id = new DataView(frame.buffer).getUint32(5);
    const data = type === FXP.READ || type === FXP.WRITE;
    const crowded = (data || type === FXP.READDIR) && this.#open >= mostAtOnce;
    if (crowded || (data && lengthOf(frame) > longest)) {
      return await this.#send(this.#client, status(id, 4, "One at a time"));
    }
    if (type === FXP.READ && shortReads) {
      const at = frame.length - 4;
      const view = new DataView(frame.buffer);
      view.setUint32(at, Math.min(view.getUint32(at), shortReads()));
    }
    this.#open++;
    await this.#send(this.#server, frame);
    await this.#flush();
  }

  async #answer(frame: Uint8Array): Promise<void> {
    if (!this.#greeted) {
      this.#greeted = true;
      const names = this.#limp.extensions;
      const version = names
        ? msg.encodeVersion(FXP.VERSION, 3, names.map((name) => [name, "1"]))
        : frame;
      this.#open = 0;
      return await this.#send(this.#client, version);
    }
    this.#held.push(frame);
    await this.#flush();
  }

  /** Releases held answers if there are enough, or if no more will come. */
  async #flush(): Promise<void> {
    if (this.#held.length < Math.min(this.#limp.reorder ?? 1, this.#open)) return;
    const frames = this.#held.reverse();
    this.#held = [];
    this.#open -= frames.length;
    for (const frame of frames) await this.#send(this.#client, frame);
  }
}

/** The bytes that a READ asks for, or that a WRITE brings. */
function lengthOf(frame: Uint8Array): number {
  const body = frame.subarray(9);
  return frame[4] === FXP.READ ? msg.Read.decode(body).length : msg.Write.decode(body).data.length;
}
