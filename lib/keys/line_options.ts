/**
 * Parses the options before a key: names and quoted values, separated by commas, up to the first white
 * space.
 *
 * @returns The options in order, each with its name in lower case and its value (null without one), and
 *   the text after them; null if malformed
 */
export function splitOptions(
  text: string,
): { options: [name: string, value: string | null][]; rest: string } | null {
  const options: [string, string | null][] = [];
  const option = /([A-Za-z0-9-]+)(?:="((?:\\"|\\(?!")|[^"\\])*)")?(?:(,)|\s+)/y;
  for (;;) {
    const match = option.exec(text);
    if (match === null) return null;
    options.push([match[1]!.toLowerCase(), match[2]?.replaceAll('\\"', '"') ?? null]);
    if (match[3] === undefined) return { options, rest: text.slice(option.lastIndex) };
  }
}
