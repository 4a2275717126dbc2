import { runtime } from "../../runtime/runtime.ts";

/** Functions on remote paths, which have slashes whatever the system. */

/** Joins a path and one more step. */
export function join(folder: string, name: string): string {
  return folder.endsWith("/") || folder === "" ? folder + name : `${folder}/${name}`;
}

/** All but the last step of a path; null if there is nothing above it. */
export function parent(path: string): string | null {
  const trimmed = withoutSlashes(path);
  const slash = trimmed.lastIndexOf("/");
  if (trimmed === "" || slash === -1) return null;
  return trimmed.slice(0, slash) || "/";
}

/** The last step of a path, without trailing slashes. */
export function baseName(path: string): string {
  const trimmed = withoutSlashes(path);
  return trimmed.slice(trimmed.lastIndexOf("/") + 1);
}

/** A path without its last slashes, in linear time, because a hostile server may send thousands. */
function withoutSlashes(path: string): string {
  let end = path.length;
  while (path[end - 1] === "/") end--;
  return path.slice(0, end);
}

/** A new, hidden name in the folder of a path, for a file that is not complete yet. */
export function hiddenBeside(path: string, kind: string, id: string = crypto.randomUUID()): string {
  const slash = path.lastIndexOf("/") + 1;
  return `${path.slice(0, slash)}.${id}.${kind}`;
}

/** Whether a name was made by `hiddenBeside` with a random number, for something of this kind. */
export function isHiddenBeside(name: string, kind: string): boolean {
  return /^\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\./.test(name) && name.endsWith(`.${kind}`);
}

/** Whether a name was made by `hiddenBeside`, for a part with a random number. */
export function isHiddenPart(name: string): boolean {
  return isHiddenBeside(name, "part");
}

/** Why a name from a listing is not a single step of a path; null if it is one. */
export function stepProblem(name: string): string | null {
  if (name === "") return "it is empty";
  if (name === "." || name === "..") return "it leads elsewhere";
  if (name.includes("/")) return "it has a slash in it";
  return null;
}

/**
 * Why a name from a listing must not become part of a path; null if it may. A server that lists `..`, `a/b`
 * or a control character is broken or hostile (CVE-2019-6111). `system` is that of this machine unless
 * given; "server" allows any bytes.
 */
export function nameProblem(name: string, os: string = runtime.os): string | null {
  const problem = stepProblem(name);
  if (problem !== null) return problem;
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f-\x9f]/.test(name)) return "it has a control character in it";
  if (os !== "server" && !name.isWellFormed()) return "it is not UTF-8";
  if (os === "windows" && /[\\:*?"<>|]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i.test(name)) {
    return "not a valid name on Windows";
  }
  return null;
}
