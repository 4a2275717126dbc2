/** `ls` and `df`. */
import { printable } from "../../errors.ts";
import type { SftpFileInfo } from "../../sftp/protocol/attributes.ts";
import type { SftpFileSystem } from "../../sftp/protocol/file_system.ts";
import { longname } from "../../sftp/protocol/longname.ts";
import { EXTENSION } from "../../sftp/protocol/numbers.ts";
import { join } from "../../sftp/protocol/paths.ts";
import type { CommandCall, SftpCommand } from "./command.ts";
import { print } from "../shared/log.ts";
import type { SftpShell } from "./shell.ts";
import type { Word } from "../shared/split_words.ts";
import { terminalSize } from "../../terminal/size.ts";
import { allListed } from "../../sftp/remote/listed.ts";

/** Commands that change nothing. */
export const LIST_COMMANDS: Readonly<Record<string, SftpCommand>> = {
  df: {
    usage: "df [-hi] [path]",
    help: "Show size and free space of the file system; -h with units, -i inodes",
    flags: "hi",
    words: [0, 1],
    run: async (call) => {
      const { shell, words } = call;
      const path = words.length === 0 ? shell.directory : shell.remote(words[0]!.text);
      const found = await shell.client.statvfs(path, shell);
      const table = call.has("i") ? inodes(found) : call.has("h") ? units(found) : blocks(found);
      await print(table);
    },
  },
  ls: {
    usage: "ls [-1afhlnrSt] [path]",
    help: "List remote files; -l with details, -a with hidden ones, -1 one per line",
    flags: "1afhlnrSt",
    words: [0, 1],
    run: async (call) => print(await listing(call, call.words[0] ?? null)),
  },
};

interface ListedFile {
  /** The name to show. */
  readonly name: string;
  readonly info: SftpFileInfo;
}

/** The output of `ls`: the entries of one directory, or the matches if there are several. */
async function listing(call: CommandCall, word: Word | null): Promise<string> {
  const { shell } = call;
  const shown = word ?? { text: ".", pattern: "." };
  const paths = await shell.matching(shown);
  const typed = (path: string) => asTyped(shell, path, shown);
  if (paths.length === 1 && (await shell.stat(paths[0]!))?.isDirectory) {
    const [path] = paths as [string];
    const prefix = word === null || typed(path) === "" ? "" : typed(path);
    return await format(call, await folder(call, path, prefix));
  }
  const entries: ListedFile[] = [];
  for (const path of paths) {
    entries.push({ name: typed(path), info: await shell.client.lstat(path, shell) });
  }
  return await format(call, entries);
}

async function folder(call: CommandCall, path: string, prefix: string): Promise<ListedFile[]> {
  const { shell } = call;
  const entries = await allListed(path, shell.client.readDir(path, shell));
  // The client omits these two.
  if (call.has("a")) {
    for (const name of [".", ".."]) {
      const info = await shell.stat(join(path, name));
      if (info !== null) entries.push({ ...info, name, info });
    }
  }
  return entries
    .filter(({ name }) => call.has("a") || !name.startsWith("."))
    .map(({ name, info }) => ({ name: prefix === "" ? name : join(prefix, name), info }));
}

/** A path in the form that the user typed, not the absolute one. */
function asTyped({ directory }: SftpShell, path: string, { text }: Word): string {
  const prefix = directory.endsWith("/") ? directory : `${directory}/`;
  if (text.startsWith("/")) return path;
  if (path === directory || path === `${prefix}.`) return "";
  return path.startsWith(prefix) ? path.slice(prefix.length).replace(/^\.\//, "") : path;
}

async function format(call: CommandCall, entries: readonly ListedFile[]): Promise<string> {
  const sorted = sort(call, entries);
  const lines = ["l", "n", "h"].some((flag) => call.has(flag))
    ? await long(call, sorted)
    : call.has("1")
    ? sorted.map(({ name }) => printable(name))
    : columns(sorted.map(({ name }) => printable(name)));
  return lines.map((line) => `${line}\n`).join("");
}

/** Sorts by name; -S by size, -t by time, -r in reverse order, -f not at all. */
function sort(call: CommandCall, entries: readonly ListedFile[]): readonly ListedFile[] {
  if (call.has("f")) return entries;
  const byName = (a: ListedFile, b: ListedFile) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
  const time = ({ info }: ListedFile) => info.mtime?.getTime() ?? 0;
  const order = call.has("t")
    ? (a: ListedFile, b: ListedFile) => time(b) - time(a) || byName(a, b)
    : call.has("S")
    ? (a: ListedFile, b: ListedFile) => b.info.size - a.info.size || byName(a, b)
    : byName;
  const sorted = entries.toSorted(order);
  return call.has("r") ? sorted.reverse() : sorted;
}

/** Lines as in `ls -l`; -n with numbers of owners, -h with units. */
async function long(call: CommandCall, entries: readonly ListedFile[]): Promise<string[]> {
  const names = await ownersOf(call, entries);
  return entries.map(({ name, info }) =>
    longname(name, info, {
      links: "?",
      owner: names?.users.get(info.uid ?? -1) ?? null,
      group: names?.groups.get(info.gid ?? -1) ?? null,
      ...(call.has("h") && { size: scaled(info.size) }),
    })
  );
}

async function ownersOf({ shell, has }: CommandCall, entries: readonly ListedFile[]) {
  if (has("n") || !shell.client.extensions.has(EXTENSION.USERS_GROUPS)) return null;
  const ids = (key: "uid" | "gid") => [
    ...new Set(entries.flatMap(({ info }) => info[key] ?? [])),
  ];
  return await shell.client.usersAndGroups(ids("uid"), ids("gid"), shell);
}

/** Names in columns, line by line, as in OpenSSH's sftp. */
function columns(names: readonly string[]): string[] {
  const total = terminalSize()?.columns || 80;
  const widest = Math.max(...names.map((name) => name.length), 0);
  const perLine = Math.max(Math.floor(total / (widest + 2)), 1);
  const width = Math.floor(total / perLine);
  const lines: string[] = [];
  for (let at = 0; at < names.length; at += perLine) {
    lines.push(names.slice(at, at + perLine).map((name) => name.padEnd(width)).join("").trimEnd());
  }
  return lines;
}

function blocks(found: SftpFileSystem): string {
  const kibi = (blocks: number) => `${Math.floor(found.fragmentSize * blocks / 1024)}`.padStart(12);
  return "        Size         Used        Avail       (root)    %Capacity\n" +
    `${figures(found).map(kibi).join(" ")} ${capacity(found.blocks, found.freeBlocks)}\n`;
}

function units(found: SftpFileSystem): string {
  const text = (blocks: number) => `${scaled(found.fragmentSize * blocks)}B`.padStart(8);
  return "    Size     Used    Avail   (root)    %Capacity\n" +
    `${figures(found).map(text).join(" ")} ${capacity(found.blocks, found.freeBlocks)}\n`;
}

function inodes({ files, freeFiles, availableFiles }: SftpFileSystem): string {
  const numbers = [files, files - freeFiles, availableFiles, freeFiles];
  return "     Inodes        Used       Avail      (root)    %Capacity\n" +
    `${numbers.map((number) => `${number}`.padStart(11)).join(" ")} ${
      capacity(files, freeFiles)
    }\n`;
}

function figures({ blocks, freeBlocks, availableBlocks }: SftpFileSystem): number[] {
  return [blocks, blocks - freeBlocks, availableBlocks, freeBlocks];
}

function capacity(all: number, free: number): string {
  const share = all === 0 ? "ERR" : `${Math.floor(100 * (all - free) / all)}%`;
  return share.padStart(12);
}

/** A number with a unit and at most three digits: `16.6G`. */
function scaled(bytes: number): string {
  const letters = "BKMGTPE";
  let unit = 0;
  for (; bytes >= 1023.5 && unit < letters.length - 1; unit++) bytes /= 1024;
  return `${unit > 0 && bytes < 99.95 ? bytes.toFixed(1) : bytes.toFixed(0)}${letters[unit]}`;
}
