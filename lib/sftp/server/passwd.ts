/** Names of users and groups, from passwd(5) and group(5). */
export interface Accounts {
  /** The name of a user by number; null if unknown. */
  user(id: number): string | null;
  /** The name of a group by number; null if unknown. */
  group(id: number): string | null;
  /** The home directory of a user; null if unknown. */
  home(user: string): string | null;
}

/**
 * The most bytes read of an account file, because a client may own it and change it often, and parsing
 * takes time.
 */
export const MAX_ACCOUNTS_BYTES = 256 * 1024;

/** Parses both files; either may be missing, and malformed lines are ignored. */
export function parseAccounts(passwd: string | null, group: string | null): Accounts {
  const users = new Map<number, string>();
  const homes = new Map<string, string>();
  for (const [name, , id, , , home] of rows(passwd, 6)) {
    if (!users.has(Number(id))) users.set(Number(id), name!);
    if (!homes.has(name!)) homes.set(name!, home!);
  }
  const groups = new Map<number, string>();
  for (const [name, , id] of rows(group, 3)) {
    if (!groups.has(Number(id))) groups.set(Number(id), name!);
  }
  return {
    user: (id) => users.get(id) ?? null,
    group: (id) => groups.get(id) ?? null,
    home: (user) => homes.get(user) ?? null,
  };
}

function rows(text: string | null, fields: number): string[][] {
  return (text ?? "").split("\n").map((line) => line.split(":"))
    .filter((row) => row.length >= fields && row[0] !== "" && /^\d{1,10}$/.test(row[2]!));
}
