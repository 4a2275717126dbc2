/** The questions to the configurations in `corpus/`: lines `#? [-l user] [-o option]… host`. */
import { type TempFolder, tempFolder } from "../support/temp.ts";

const CORPUS = new URL("corpus/", import.meta.url);

/** The names of all configurations. */
export const CONFIGURATIONS: readonly string[] = [...Deno.readDirSync(CORPUS)]
  .map(({ name }) => name).sort();

/** A query for a host's settings. */
export interface Question {
  readonly file: string;
  readonly host: string;
  readonly options?: readonly string[];
  readonly user?: string;
}

/** A folder with all configurations, in which `@HERE@` is its path. */
export async function corpusFolder(): Promise<TempFolder> {
  const folder = await tempFolder();
  for (const name of CONFIGURATIONS) {
    const text = await Deno.readTextFile(new URL(name, CORPUS));
    await folder.write(name, text.replaceAll("@HERE@", folder.path));
  }
  return folder;
}

/** The questions in the text of a file. */
export function questionsOf(file: string, text: string): Question[] {
  return [...text.matchAll(/^#\? (.*?)\r?$/gm)].map(([, line]) => {
    const words = line!.match(/"[^"]*"|\S+/g)!.map((word) => word.replaceAll('"', ""));
    const after = (flag: string) => words.filter((_, i) => words[i - 1] === flag);
    const [user] = after("-l");
    return { file, host: words.at(-1)!, options: after("-o"), ...user && { user } };
  });
}
