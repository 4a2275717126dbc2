/** Whether this is an older version of Deno. */
export function isBefore(
  ...version: readonly [major: number, minor: number, patch: number]
): boolean {
  const own = Deno.version.deno.split(".").map((part) => parseInt(part));
  const at = version.findIndex((part, i) => part !== own[i]);
  return at !== -1 && own[at]! < version[at]!;
}
