import { printable } from "../errors.ts";
import type { SftpFileInfo } from "../sftp/attributes.ts";
import { longname } from "../sftp/longname.ts";
import type { SftpSession } from "./sftp_session.ts";
import { terminalSize } from "./terminal.ts";
import type { Word } from "./sftp_words.ts";

/** What `ls` shows. */
export interface ListOptions {
  /** A line with everything that is known, for each name: -l. */
  readonly long: boolean;
  /** Names with a dot in front too: -a. */
  readonly all: boolean;
  /** One name a line: -1. */
  readonly single: boolean;
}

interface Entry {
  readonly name: string;
  readonly info: SftpFileInfo;
}

/** `ls`: the text to print. */
export async function listing(
  session: SftpSession,
  word: Word | null,
  options: ListOptions,
): Promise<string> {
  const shown = word ?? { text: ".", pattern: "." };
  const paths = await session.matching(shown);
  const blocks: string[] = [];
  const single: Entry[] = [];
  for (const path of paths) {
    const info = await session.stat(path) ?? await session.client.lstat(path, session);
    if (!info.isDirectory) single.push({ name: asTyped(session, path, shown), info });
    else {
      const title = paths.length > 1 ? `${printable(asTyped(session, path, shown))}:\n` : "";
      blocks.push(title + format(await folder(session, path, options), options));
    }
  }
  if (single.length > 0) blocks.unshift(format(single, options));
  return blocks.join("\n");
}

async function folder(
  session: SftpSession,
  path: string,
  { all }: ListOptions,
): Promise<Entry[]> {
  const entries = await Array.fromAsync(session.client.readDir(path, session));
  return entries.filter(({ name }) => all || !name.startsWith("."));
}

/** A path as the user began it, not as it became absolute. */
function asTyped({ directory }: SftpSession, path: string, { text }: Word): string {
  const prefix = directory.endsWith("/") ? directory : `${directory}/`;
  return !text.startsWith("/") && path.startsWith(prefix) ? path.slice(prefix.length) : path;
}

function format(entries: readonly Entry[], { long, single }: ListOptions): string {
  const sorted = entries.toSorted((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
  const lines = long
    ? sorted.map(({ name, info }) => longname(name, info))
    : single
    ? sorted.map(({ name }) => printable(name))
    : columns(sorted.map(({ name }) => printable(name)));
  return lines.map((line) => `${line}\n`).join("");
}

/** Names in columns, downwards first, as `ls` has them. */
function columns(names: readonly string[]): string[] {
  const width = Math.max(...names.map((name) => name.length), 0) + 2;
  const total = terminalSize()?.columns || 80;
  const rows = Math.ceil(names.length / Math.max(Math.floor(total / width), 1));
  return Array.from({ length: rows }, (_, row) =>
    names.filter((_, index) => index % rows === row)
      .map((name) => name.padEnd(width)).join("").trimEnd());
}
