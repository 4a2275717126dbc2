import type { SftpOptions } from "../protocol/options.ts";
import type { FurtherSession, FurtherSessions } from "./further_sessions.ts";
import type { Lane } from "./lane.ts";
import type { FurtherLanes } from "./write_behind.ts";

/** A file that is being written. */
export interface WrittenFile {
  /** Its path now. */
  readonly path: string;
  /** The path that errors name. */
  readonly about: string;
  /** Bytes that it will have; null if that is not known. */
  readonly size: number | null;
  /** The least size that it can have now. */
  readonly reached: number;
  /** The most bytes in flight over several channels. */
  readonly inFlight: number;
  readonly limits: SftpOptions;
  /** Called before it is opened in further sessions; if it fails, they are not used. */
  prepare?(): Promise<void>;
}

/** Opens a file in the available further sessions, once in each. */
export function furtherLanes(further: FurtherSessions, file: WrittenFile): FurtherLanes {
  const seen = new Set<FurtherSession>();
  let prepared: Promise<void> | undefined;
  let channels = 1;
  return {
    get opening() {
      return further.opening;
    },
    get expected() {
      return further.expected;
    },
    begin: () => further.begin(file.size ?? Infinity),
    more(sent) {
      const sessions = further.for((file.size ?? Infinity) - sent)
        .filter((session) => !seen.has(session));
      if (sessions.length === 0) return null;
      for (const session of sessions) seen.add(session);
      prepared ??= file.prepare?.() ?? Promise.resolve();
      return prepared.then(() => openIn(sessions, file)).then((lanes) => {
        channels += lanes.length;
        return { lanes, inFlight: file.inFlight, held: further.windows(channels) };
      });
    },
  };
}

/** Opens the file in the given sessions, and leaves out those in which it looks different. */
async function openIn(
  sessions: readonly FurtherSession[],
  { path, about, reached, limits }: WrittenFile,
): Promise<Lane[]> {
  const opened = await Promise.all(
    sessions.map((session) => session.lane(path, about, reached, limits).catch(() => null)),
  );
  return opened.filter((lane) => lane !== null);
}
