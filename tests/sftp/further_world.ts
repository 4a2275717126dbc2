/** A server at which further sessions are opened, and nothing is sent. */
import { SftpError } from "../../lib/sftp/mod.ts";
import { type FurtherSession, FurtherSessions } from "../../lib/sftp/remote/further_sessions.ts";
import type { RemoteFileSystem } from "../../lib/sftp/remote/remote_file_system.ts";

export const MIB = 1024 ** 2;
/** Of a smaller file nothing is spread unless channels are asked for. */
export const SMALL = 2 * MIB;
export const REFUSED = new SftpError(4, "stat", null, "Failure");

export interface Info {
  readonly size: number;
  readonly isFile: boolean;
  readonly mtime: Date | null;
}
export const INFO: Info = { size: 100, isFile: true, mtime: new Date(5000) };

/** A session at a server, on which files are opened and nothing is sent. */
export class FakeRemote {
  connections = 1;
  readonly channels = { useful: 1, isEnough: false, closing: new Set<Promise<void>>() };
  readonly session = {
    cause: null as Error | null,
    isRenewable: false,
    isRenewing: false,
    flow: { bytesSent: 0, waitedForWindow: 0, largestSendWindow: MIB } as unknown,
    pathEstimates: { write: { roundTrip: 50 } },
    close: () => {
      this.log.push("close session");
      return this.closing;
    },
  };
  closing: Promise<void> = Promise.resolve();
  fileClosing: Promise<void> = Promise.resolve();
  writing: Promise<void> = Promise.resolve();
  info: Info | Error | Promise<Info> = INFO;
  readonly log: string[] = [];
  /** The further sessions that were asked for. */
  readonly asked: {
    readonly resolve: (remote: FakeRemote | null) => void;
    readonly reject: (cause: Error) => void;
    readonly giveWay: () => void;
    readonly signal: AbortSignal;
  }[] = [];
  /** Further sessions are there at once. */
  isQuick = true;
  readonly opened: FakeRemote[] = [];

  further(giveWay: () => void, signal: AbortSignal): Promise<FakeRemote | null> {
    const { promise, resolve, reject } = Promise.withResolvers<FakeRemote | null>();
    this.asked.push({ resolve, reject, giveWay, signal });
    if (this.isQuick) this.open(resolve);
    return promise;
  }

  open(resolve: (remote: FakeRemote) => void): void {
    const remote = new FakeRemote();
    this.opened.push(remote);
    resolve(remote);
  }

  /** The answer to an OPEN whose handle is known; null if it is not. */
  atOnce: Promise<void> | null = null;

  fileAtOnce(path: string, options: object, about: string) {
    if (this.atOnce === null) return null;
    return { file: this.#file(path, options, about), opened: this.atOnce };
  }

  file(path: string, options: object, about?: string) {
    return Promise.resolve(this.#file(path, options, about));
  }

  #file(path: string, options: object, about?: string) {
    this.log.push(`open ${path} ${JSON.stringify(options)} ${about}`);
    return {
      stat: () => this.info instanceof Error ? Promise.reject(this.info) : this.info,
      writePiece: () => this.writing,
      close: () => {
        this.log.push("close file");
        return this.fileClosing;
      },
    };
  }
}

export const real = (remote: FakeRemote) => remote as unknown as RemoteFileSystem;
export const fake = ({ remote }: FurtherSession) => remote as unknown as FakeRemote;

export interface World {
  readonly remote: FakeRemote;
  readonly further: FurtherSessions;
  readonly notes: string[];
}

export function world(
  channels: number | "auto",
  changes: Partial<FakeRemote> = {},
  role: "source" | "target" = "target",
): World {
  const remote = Object.assign(new FakeRemote(), changes);
  const notes: string[] = [];
  const further = new FurtherSessions(
    real(remote),
    { channels, role },
    (note) => void notes.push(note),
  );
  return { remote, further, notes };
}
