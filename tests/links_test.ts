/** Checks every link of the documents to a file or heading. */
import { assert, assertEquals } from "@std/assert";

const root = new URL("../", import.meta.url);
/** Folders to skip, such as the built npm/package. */
const SKIPPED = new Set([".git", "node_modules", "target", "package"]);

/** A link or an image of a document, as it is written. */
interface Link {
  readonly page: string;
  readonly target: string;
}

Deno.test("Links of the documents lead to files and headings that exist", async () => {
  const pages = await documents(root);
  assert(pages.includes("README.md") && pages.includes("docs/files.md"), pages.join());
  const texts = new Map<string, string>();
  for (const page of pages) texts.set(page, await Deno.readTextFile(new URL(page, root)));
  const links = [...texts].flatMap(([page, text]) =>
    linksOf(text).map((target) => ({ page, target }))
  );
  assert(links.length > 100, `${links.length} links`);
  const broken: string[] = [];
  for (const link of links) {
    if (!await resolves(link, texts)) broken.push(`${link.page}: ${link.target}`);
  }
  assertEquals(broken, []);
});

Deno.test("README has every page of docs/, and is at most 250 lines long", async () => {
  const readme = await Deno.readTextFile(new URL("README.md", root));
  const listed = linksOf(readme).filter((target) => target.startsWith("docs/"));
  const pages = (await documents(new URL("docs/", root))).map((name) => `docs/${name}`);
  assertEquals(pages.filter((page) => !listed.includes(page)), []);
  assert(readme.split("\n").length <= 250);
});

Deno.test("Links and headings are parsed as Markdown", () => {
  const text = [
    "# A `code` heading, and more!",
    '[one](a.md) and ![two](<b c.svg>) and [three](d.md#part "title")',
    "```",
    "[no](e.md)",
    "# no",
    "```",
    '`[no](f.md)` <img src="g.svg"> [ref]: h.md',
    "## Again",
    "## Again",
  ].join("\n");
  assertEquals(linksOf(text), ["a.md", "b c.svg", "d.md#part", "g.svg"]);
  assertEquals([...anchorsOf(text)], ["a-code-heading-and-more", "again", "again-1"]);
});

/** The Markdown files of a folder and of those in it, as paths from there. */
async function documents(folder: URL, prefix = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory && !SKIPPED.has(name)) {
      found.push(...await documents(new URL(`${name}/`, folder), `${prefix}${name}/`));
    } else if (name.endsWith(".md")) found.push(prefix + name);
  }
  return found.sort();
}

/**
 * Whether a link leads to a file, and to a heading of it if it names one. Web addresses are not
 * fetched.
 */
async function resolves({ page, target }: Link, texts: Map<string, string>): Promise<boolean> {
  if (/^[a-z]+:/.test(target)) return true;
  const [path, anchor] = target.split("#");
  const file = path === "" ? new URL(page, root) : new URL(path!, new URL(page, root));
  if (!file.href.startsWith(root.href)) return false;
  const found = await Deno.stat(file).catch(() => null);
  if (found === null) return false;
  if (anchor === undefined) return true;
  const text = texts.get(file.href.slice(root.href.length));
  return text !== undefined && anchorsOf(text).has(anchor);
}

/** The targets of the links and images of a document. */
function linksOf(text: string): string[] {
  const prose = proseOf(text).replaceAll(/`[^`\n]*`/g, "``");
  const link =
    /\]\((?:<([^>]*)>|([^\s)]+))(?:\s+"[^"]*")?\)|<(?:img|source)[^>]*\ssrc(?:set)?="([^"]+)"/g;
  return [...prose.matchAll(link)].map(([, quoted, plain, image]) => (quoted ?? plain ?? image)!);
}

/** The names by which the headings of a document can be linked to, as the forges make them. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading] of proseOf(text).matchAll(/^#+ +(.*)$/gm)) {
    const name = heading!.toLowerCase().replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, "").replaceAll(
      " ",
      "-",
    );
    let unique = name;
    for (let times = 1; anchors.has(unique); times++) unique = `${name}-${times}`;
    anchors.add(unique);
  }
  return anchors;
}

/** A document without its blocks of code. */
function proseOf(text: string): string {
  return text.replaceAll(/^(```+)[^]*?^\1\s*$/gm, "");
}
