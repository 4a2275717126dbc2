/** A scripted control master without a server. */
import { PlainOpener, PlainSealer } from "../../lib/transport/plain_packets.ts";
import { Reader } from "../../lib/wire/reader.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { writeAll } from "../../lib/runtime/write_all.ts";
import { type TempFolder, tempFolder } from "../support/temp.ts";

/** Types of the control socket's messages. */
export const CONTROL = {
  HELLO: 0x00000001,
  PROXY: 0x1000000f,
  DENIED: 0x80000002,
  FAILED: 0x80000003,
  PROXIED: 0x8000000f,
} as const;

/** One message of the control socket, with its length prefix. */
export function control(type: number, ...fields: (number | string)[]): Uint8Array {
  const body = new Writer().u32(type);
  for (const field of fields) {
    if (typeof field === "number") body.u32(field);
    else body.text(field);
  }
  return new Writer().string(body.take()).take();
}

/** The master's end of one client's connection. */
export class MasterEnd {
  readonly #conn: Deno.Conn;
  readonly #opener = new PlainOpener();

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  async send(...parts: Uint8Array[]): Promise<void> {
    const all = new Writer();
    for (const part of parts) all.bytes(part);
    await writeAll(this.#conn, all.take());
  }

  /** Sends messages of the connection, each as a packet. */
  async sendPackets(...messages: Uint8Array[]): Promise<void> {
    const sealer = new PlainSealer();
    for (const message of messages) sealer.sealPayload(message);
    const bytes = new Uint8Array(sealer.pending);
    sealer.take(bytes);
    await this.send(bytes);
  }

  /** The next message of the control socket: its type, and a reader of the rest. */
  async control(): Promise<[type: number, rest: Reader]> {
    const length = new Reader(await this.#exactly(4)).u32();
    const message = new Reader(await this.#exactly(length));
    return [message.u32(), message];
  }

  /** The next message of the connection; null at the end. */
  async packet(): Promise<Uint8Array | null> {
    const chunk = new Uint8Array(4096);
    for (;;) {
      const message = this.#opener.next();
      if (message !== null) return message.slice();
      const n = await this.#conn.read(chunk);
      if (n === null) return null;
      this.#opener.push(chunk.subarray(0, n));
    }
  }

  /** Greets, and accepts proxy mode; `more` follows in the same write. */
  async grant(...more: Uint8Array[]): Promise<void> {
    await this.control();
    await this.send(control(CONTROL.HELLO, 4, "info", "0"));
    const [, request] = await this.control();
    await this.send(control(CONTROL.PROXIED, request.u32()), ...more);
  }

  close(): void {
    this.#conn.close();
  }

  async #exactly(length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const n = await this.#conn.read(bytes.subarray(at));
      if (n === null) throw new Error("The client has closed the control socket");
      at += n;
    }
    return bytes;
  }
}

/** A running master. */
export interface FakeMaster extends AsyncDisposable {
  readonly folder: TempFolder;
  readonly path: string;
}

/** Starts a master that runs the script for each client; an error of the script fails the test. */
export async function fakeMaster(script: (end: MasterEnd) => Promise<void>): Promise<FakeMaster> {
  const folder = await tempFolder();
  const path = folder.join("control");
  const listener = Deno.listen({ transport: "unix", path });
  const serve = async (): Promise<void> => {
    const running: Promise<void>[] = [];
    for await (const conn of listener) {
      const end = new MasterEnd(conn);
      running.push(script(end).finally(() => end.close()));
    }
    await Promise.all(running);
  };
  const serving = serve();
  serving.catch(() => {});
  return {
    folder,
    path,
    async [Symbol.asyncDispose]() {
      listener.close();
      await serving;
      await folder[Symbol.asyncDispose]();
    },
  };
}
