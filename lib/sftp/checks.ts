import {
  abortSignal,
  anything,
  checkOptions,
  count,
  flag,
  milliseconds,
  type OptionChecks,
  text,
} from "../option_checks.ts";
import type { SftpOpenOptions, SftpOptions, SftpWriteOptions } from "./protocol/options.ts";
import type { SftpWalkOptions } from "./remote/dir_entry.ts";

const EVERY: OptionChecks<SftpOptions> = { signal: abortSignal, timeout: milliseconds };

/** The checks of the methods of `SftpClient` that have options of their own. */
const METHODS = {
  open: {
    ...EVERY,
    read: flag,
    write: flag,
    append: flag,
    create: flag,
    createNew: flag,
    truncate: flag,
    mode: count,
  } satisfies OptionChecks<SftpOpenOptions>,
  writeFile: {
    ...EVERY,
    append: flag,
    create: flag,
    createNew: flag,
    mode: count,
    channels: anything, // checked in writeFile()
  } satisfies OptionChecks<SftpWriteOptions>,
  walk: {
    ...EVERY,
    maxDepth: count,
    includeFiles: flag,
    includeDirs: flag,
    includeSymlinks: flag,
    followSymlinks: flag,
  } satisfies OptionChecks<SftpWalkOptions>,
  mkdir: { ...EVERY, recursive: flag, mode: count },
  makeTempDir: { ...EVERY, dir: text, prefix: text, suffix: text },
  exists: { ...EVERY, isFile: flag, isDirectory: flag },
  remove: { ...EVERY, recursive: flag },
  rename: { ...EVERY, overwrite: flag },
};

/** @throws {TypeError} If an option of the method is unknown or has a wrong value */
export function checkMethod(method: keyof typeof METHODS, options: SftpOptions): void {
  checkOptions<SftpOptions>(`${method}()`, options, METHODS[method]);
}
