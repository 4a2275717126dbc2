import { ConfigError } from "../errors.ts";
import { expandGlob } from "../patterns.ts";
import { localPath } from "../runtime/local_path.ts";
import { grantedVariable } from "../runtime/environment.ts";
import { isError } from "../runtime/errors.ts";
import type { OpenFile } from "../runtime/files.ts";
import { runtime } from "../runtime/runtime.ts";
import { ArgumentError } from "./arguments.ts";
import { Config } from "./config.ts";
import type { ConfigRoot, ConfigSource } from "./config_file.ts";
import { thisSide } from "./local_side.ts";
import { isTrusted } from "./file_trust.ts";

/** The folder of the system-wide file and its includes. */
const SYSTEM_FOLDER = "/etc/ssh";

/** Options for reading a file. */
interface ReadRules {
  /** Whether it is the user's file; its includes are in `~/.ssh`. */
  readonly ofUser: boolean;
  /** Whether it is refused if other users can write it. */
  readonly checked: boolean;
  /** Whether it must exist. */
  readonly required: boolean;
  /** Whether to read its includes without a prompt for permission. */
  readonly quiet?: boolean;
}

/**
 * Reads configuration files, and those that they include.
 *
 * Needs `--allow-read` for them, and `--allow-env=HOME`.
 *
 * @param paths The files, which must exist; by default `~/.ssh/config` and `/etc/ssh/ssh_config`, if they
 *   exist
 * @returns The configuration
 * @throws {ConfigError} If a file is missing, or other users may write to it
 *
 * @example
 * ```ts
 * import { readConfig } from "@denossh/ssh/config";
 * import { assertEquals } from "@std/assert";
 * import { mkdtemp, rm, writeFile } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 *
 * const folder = await mkdtemp(`${tmpdir()}/config-`);
 * const path = `${folder}/config`;
 * await writeFile(
 *   path,
 *   "Host web*\n  HostName %h.example.com\n  User deploy\n",
 * );
 * const config = await readConfig(path);
 * const { HostName, User } = await config.lookup("web1");
 * assertEquals([HostName, User], ["web1.example.com", "deploy"]);
 * await rm(folder, { recursive: true });
 * ```
 */
export async function readConfig(
  paths?: string | URL | readonly (string | URL)[],
): Promise<Config> {
  if (paths === undefined) return await Config.load(await usualRoots());
  const roots: ConfigRoot[] = [];
  for (const path of Array.isArray(paths) ? paths : [paths]) {
    const name = path instanceof URL ? localPath(path) : expandHome(path);
    roots.push(...await rootOf(name, { ofUser: true, checked: false, required: true }));
  }
  return await Config.load(roots);
}

/**
 * Reads the usual files for which permission was granted already, without prompting. Null if none of them
 * may be read.
 */
export async function readGrantedConfig(): Promise<Config | null> {
  const home = grantedVariable("HOME");
  const user = home !== undefined && runtime.isGranted({ name: "read", path: `${home}/.ssh` });
  const system = runtime.isGranted({ name: "read", path: SYSTEM_FOLDER });
  if (!user && !system) return null;
  return await Config.load([
    ...user ? await userRoot(`${home}/.ssh/config`, { quiet: true }) : [],
    ...system ? await systemRoot({ quiet: true }) : [],
  ]);
}

async function usualRoots(): Promise<ConfigRoot[]> {
  const home = thisSide.home();
  return [
    ...home === undefined ? [] : await userRoot(`${home}/.ssh/config`),
    ...await systemRoot(),
  ];
}

function userRoot(path: string, how: Pick<ReadRules, "quiet"> = {}): Promise<ConfigRoot[]> {
  return rootOf(path, { ofUser: true, checked: true, required: false, ...how });
}

function systemRoot(how: Pick<ReadRules, "quiet"> = {}): Promise<ConfigRoot[]> {
  const path = `${SYSTEM_FOLDER}/ssh_config`;
  return rootOf(path, { ofUser: false, checked: false, required: false, ...how });
}

async function rootOf(path: string, reading: ReadRules): Promise<ConfigRoot[]> {
  const text = await read(path, reading);
  return text === null ? [] : [{ name: path, text, source: sourceOf(reading) }];
}

function sourceOf({ ofUser, quiet = false }: ReadRules): ConfigSource {
  const folder = ofUser ? "~/.ssh" : SYSTEM_FOLDER;
  return {
    async find(argument) {
      if (argument.startsWith("~") && !ofUser) {
        throw new ArgumentError(`bad include path ${argument}.`);
      }
      const path = expandHome(/^[~/]/.test(argument) ? argument : `${folder}/${argument}`);
      const known = path.replace(/[^/]*[*?[].*$/s, "") || "/";
      if (quiet && !runtime.isGranted({ name: "read", path: known })) {
        throw new ArgumentError(`include ${argument} needs --allow-read=${known}`);
      }
      return await expandInclude(path);
    },
    read: (path) => read(path, { ofUser, checked: true, required: false }, true),
  };
}

/** The files that an Include names, sorted; a path without wildcards is kept even if it is missing. */
async function expandInclude(pattern: string): Promise<string[]> {
  const matches = expandGlob(pattern, {
    async list(folder) {
      try {
        return await Array.fromAsync(runtime.files.readDir(folder));
      } catch (error) {
        // As in a shell, a folder that cannot be listed matches nothing.
        if (isError(error, "NotFound", "PermissionDenied", "NotADirectory")) return [];
        throw error;
      }
    },
    exists: () => Promise.resolve(true),
  });
  return await Array.fromAsync(matches, ({ path }) => path);
}

async function read(path: string, reading: ReadRules, included = false): Promise<string | null> {
  try {
    using file = await runtime.files.open(path);
    const facts = await file.stat();
    if (facts.isDirectory) return null;
    if (reading.checked && !await isTrusted(facts)) {
      throw new ConfigError([`Bad owner or permissions on ${path}`]);
    }
    return await textOf(file);
  } catch (error) {
    if (error instanceof ConfigError || isError(error, "NotCapable")) throw error;
    const why = isError(error, "NotFound") ? "No such file or directory" : `${error}`;
    if (reading.required) {
      throw new ConfigError([`Can't open user config file ${path}: ${why}`], { cause: error });
    }
    if (!included || isError(error, "NotFound")) return null;
    throw new ArgumentError(`Can't open user config file ${path}: ${why}`);
  }
}

async function textOf(file: OpenFile): Promise<string> {
  const bytes = new Uint8Array(await new Response(file.readable).arrayBuffer());
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

function expandHome(path: string): string {
  const tilde = /^~([^/]*)/.exec(path);
  if (!tilde) return path;
  const home = thisSide.home(tilde[1] || undefined);
  return home === undefined ? path : home + path.slice(tilde[0].length);
}
