import {
  abortSignal,
  anything,
  checkOptions,
  count,
  flag,
  milliseconds,
  mustBe,
  type OptionChecks,
  text,
} from "../option_checks.ts";
import type { SftpOpenOptions, SftpOptions, SftpWriteOptions } from "./protocol/options.ts";
import type { SftpWalkOptions } from "./remote/dir_entry.ts";

const EVERY: OptionChecks<SftpOptions> = { signal: abortSignal, timeout: milliseconds };

/** With a slash, the name would be a path, which may lead out of the directory. */
const partOfName = mustBe(
  "text without a slash and without NUL",
  (value) => typeof value === "string" && !/[/\0]/.test(value),
);

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
  makeTempDir: { ...EVERY, dir: text, prefix: partOfName, suffix: partOfName },
  exists: { ...EVERY, isFile: flag, isDirectory: flag },
  remove: { ...EVERY, recursive: flag },
  rename: { ...EVERY, overwrite: flag },
};

/** @throws {TypeError} If an option of the method is unknown or has a wrong value */
export function checkMethod(method: keyof typeof METHODS, options: SftpOptions): void {
  checkOptions<SftpOptions>(`${method}()`, options, METHODS[method]);
}
