import type { SftpOptions } from "../protocol/options.ts";
import type { FurtherSession, FurtherSessions } from "./further_sessions.ts";
import type { FurtherLanes, WiderPath } from "./write_behind.ts";

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
  return {
    more(sent) {
      const sessions = further.for((file.size ?? Infinity) - sent)
        .filter((session) => !seen.has(session));
      if (sessions.length === 0) return null;
      for (const session of sessions) seen.add(session);
      return openIn(sessions, file, further);
    },
  };
}

/** Opens the file in the given sessions, and leaves out those in which it looks different. */
async function openIn(
  sessions: readonly FurtherSession[],
  file: WrittenFile,
  further: FurtherSessions,
): Promise<WiderPath> {
  await file.prepare?.();
  const { path, about, reached, inFlight, limits } = file;
  const opened = await Promise.all(
    sessions.map((session) => session.lane(path, about, reached, limits).catch(() => null)),
  );
  const lanes = opened.filter((lane) => lane !== null);
  return { lanes, inFlight, held: further.windows(lanes.length + 1) };
}
