import { grantedVariable } from "../runtime/environment.ts";
import { runtime } from "../runtime/runtime.ts";

/** The attributes of a file, to decide whether to trust it. */
interface FileFacts {
  readonly uid: number | null;
  readonly gid: number | null;
  readonly mode: number | null;
}

/**
 * Whether only the user and root can have written a file. If each user has a private group, that group may
 * write, too, as in Debian's ssh.
 */
export async function isTrusted(file: FileFacts): Promise<boolean> {
  if (file.mode === null || file.uid === null) return true; // not available on Windows
  if ((file.mode & 0o002) !== 0) return false;
  if (file.uid !== 0 && file.uid !== await ownUid()) return false;
  return (file.mode & 0o020) === 0 || await isOwnGroup(file.gid, await ownUid());
}

async function ownUid(): Promise<number | null> {
  const uid = await grantedUid();
  return uid === undefined ? runtime.process.uid() : uid;
}

/**
 * The user's number, if it can be found without a prompt: without `--allow-sys=uid` the owner of
 * `~/.ssh`. Undefined if it is unknown, null if the system has none.
 */
export async function grantedUid(): Promise<number | null | undefined> {
  if (runtime.isGranted({ name: "sys", kind: "uid" })) return runtime.process.uid();
  const home = grantedVariable("HOME");
  if (home === undefined || !runtime.isGranted({ name: "read", path: `${home}/.ssh` })) {
    return undefined;
  }
  try {
    return (await runtime.files.stat(`${home}/.ssh`)).uid;
  } catch {
    return null; // then only files of root are trusted
  }
}

async function isOwnGroup(gid: number | null, uid: number | null): Promise<boolean> {
  const [users, groups] = [await fieldsOf("/etc/passwd"), await fieldsOf("/etc/group")];
  const inGroup = users.filter((fields) => fields[3] === `${gid}`);
  const group = groups.find((fields) => fields[2] === `${gid}`);
  if (group === undefined || inGroup.some((fields) => fields[2] !== `${uid}`)) return false;
  const own = users.filter((fields) => fields[2] === `${uid}`).map(([name]) => name);
  const members = group[3]?.split(",").filter((name) => name !== "") ?? [];
  return inGroup.length + members.length > 0 && members.every((name) => own.includes(name));
}

async function fieldsOf(path: string): Promise<string[][]> {
  if (!runtime.isGranted({ name: "read", path })) return [];
  try {
    return (await runtime.files.readTextFile(path)).split("\n").map((line) => line.split(":"));
  } catch {
    return []; // unknown: the group may have other members
  }
}
