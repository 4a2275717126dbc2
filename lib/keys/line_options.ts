/**
 * Takes the options before a key apart: names, and values in quotes, separated by commas, up to the
 * first white space.
 *
 * @returns The options by lower-case name, null for one without a value, and what follows them; null if
 * they make no sense or one comes twice
 */
export function splitOptions(
  text: string,
): { options: Map<string, string | null>; rest: string } | null {
  const options = new Map<string, string | null>();
  const option = /([A-Za-z0-9-]+)(?:="((?:\\"|[^"])*)")?(?:(,)|\s+)/y;
  for (;;) {
    const match = option.exec(text);
    if (match === null) return null;
    const name = match[1]!.toLowerCase();
    if (options.has(name)) return null;
    options.set(name, match[2]?.replaceAll('\\"', '"') ?? null);
    if (match[3] === undefined) return { options, rest: text.slice(option.lastIndex) };
  }
}
