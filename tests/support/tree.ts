/** The names in a folder, in order. */
export function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

/** The contents of a folder by path: folders end in a slash, files have their text. */
export async function tree(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of names(folder)) {
    if ((await Deno.lstat(`${folder}/${name}`)).isDirectory) {
      found[`${name}/`] = "";
      const inside = Object.entries(await tree(`${folder}/${name}`));
      for (const [path, text] of inside) found[`${name}/${path}`] = text;
    } else {
      found[name] = await Deno.readTextFile(`${folder}/${name}`);
    }
  }
  return found;
}
