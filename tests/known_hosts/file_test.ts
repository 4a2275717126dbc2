import { assertEquals, assertRejects } from "@std/assert";
import { generateKey } from "@denossh/ssh/keys";
import { editKnownHosts, KnownHosts, readKnownHosts } from "@denossh/ssh/known-hosts";
import { tempFolder } from "../support/temp.ts";

using key = await generateKey("ed25519", { comment: "mine" });
using otherKey = await generateKey("ed25519");
const [mine, other] = [key.publicKey, otherKey.publicKey];

const TEXT = `# comment\r\n\ndb1 ${mine}\ndb2,db3 ${mine}\nnonsense\n@revoked db1 ${other}\nno end`;

Deno.test("KnownHosts returns its text unchanged, to the byte", () => {
  for (const text of ["", "\n", "\n\n", "x", "x\n", TEXT, `${TEXT}\r\n`]) {
    assertEquals(KnownHosts.parse(text).toString(), text);
  }
});

Deno.test("KnownHosts.with appends a line, once", () => {
  const line = KnownHosts.line("db9", 22, mine);
  for (const [before, after] of [["", ""], ["x", "x\n"], ["x\n", "x\n"], [TEXT, `${TEXT}\n`]]) {
    const known = KnownHosts.parse(before!).with("db9", 22, mine);
    assertEquals(known.toString(), `${after}${line}\n`);
    assertEquals(known.with("DB9", 22, mine).toString(), known.toString());
    assertEquals(known.find("db9", 22).map(({ marker }) => marker), [""]);
  }
});

Deno.test("KnownHosts.with adds a key that stands only as an authority, revoked, or for another port", () => {
  const line = KnownHosts.line("db1", 22, mine);
  for (
    const other of [`@cert-authority db1 ${mine}`, `@revoked db1 ${mine}`, `[db1]:2222 ${mine}`]
  ) {
    const known = KnownHosts.parse(`${other}\n`).with("db1", 22, mine);
    assertEquals(known.toString(), `${other}\n${line}\n`);
  }
});

Deno.test("KnownHosts.with writes a comment that cannot end the line", () => {
  const known = KnownHosts.parse("").with("db1", 22, mine, { comment: "a\nb" });
  assertEquals(known.find("db1", 22)[0]!.comment, "ab");
  assertEquals(known.toString().split("\n").length, 2);
});

const removals: [string, string, string][] = [
  ["a separate line", `db1 ${mine}\n`, ""],
  ["a hashed line", `${KnownHosts.line("db1", 22, mine, { hash: true })}\nrest`, "rest"],
  ["several lines", `db1 ${mine}\n#\ndb1 ${other}\n`, "#\n"],
  ["one of several names", `a,DB1,b ${mine} me\n`, `a,b ${mine} me\n`],
  ["a name and a pattern", `db1,db? ${mine}\n`, `db?,!db1 ${mine}\n`],
  ["a pattern", `db* ${mine}\n`, `db*,!db1 ${mine}\n`],
  ["the last name beside an exception", `db1,!x ${mine}\n`, ""],
  ["an exception already", `db*,!db1 ${mine}\n`, `db*,!db1 ${mine}\n`],
  // Text that is not a host name must not be first on the line, where it would have another meaning.
  ["a comment after the name", `db1,#x,b ${mine}\n`, `b ${mine}\n`],
  ["nothing but a comment after the name", `db1,#x ${mine}\n`, ""],
  ["a marker after the name", `db1,@revoked,b ${mine}\n`, `b ${mine}\n`],
  ["a hash after the name", `db1,|1|a|b,b ${mine}\n`, `b ${mine}\n`],
  ["white space after the name", `db1,\u00a0x,b ${mine}\n`, `b ${mine}\n`],
  ["signs of a replacement", `db1,a$&b,$$ ${mine}\n`, `a$&b,$$ ${mine}\n`],
  ["another port", `[db1]:2222 ${mine}\n`, `[db1]:2222 ${mine}\n`],
  ["an authority", `@cert-authority db1 ${mine}\n`, `@cert-authority db1 ${mine}\n`],
  ["a revoked key", `@revoked db1 ${mine}\n`, `@revoked db1 ${mine}\n`],
  ["carriage returns", `db1 ${mine}\r\nx\r\n`, "x\r\n"],
];
for (const [name, before, after] of removals) {
  Deno.test(`KnownHosts.without removes only the given host: ${name}`, () => {
    const known = KnownHosts.parse(before).without("db1", 22);
    assertEquals(known.toString(), after);
    assertEquals(known.keyTypes("db1", 22), []);
  });
}

Deno.test("KnownHosts.without removes one key of several", () => {
  const known = KnownHosts.parse(`db1 ${mine}\ndb1 ${other}\n`);
  assertEquals(known.without("db1", 22, other).toString(), `db1 ${mine}\n`);
});

Deno.test("editKnownHosts makes a file, adds to it and changes it, keeping its mode", async () => {
  await using folder = await tempFolder();
  const path = folder.join("hosts");
  assertEquals(await editKnownHosts(path, (known) => known), false);
  assertEquals(await editKnownHosts(path, (known) => known.with("db1", 22, mine)), true);
  assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
  await Deno.chmod(path, 0o644);
  await editKnownHosts(path, (known) => known.with("db2", 22, mine));
  await editKnownHosts(path, (known) => known.without("db1", 22));
  assertEquals((await Deno.stat(path)).mode! & 0o777, 0o644);
  assertEquals(await Deno.readTextFile(path), `${KnownHosts.line("db2", 22, mine)}\n`);
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["hosts"]);
});

Deno.test("editKnownHosts changes a link's target", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("real", `db1 ${mine}\n`);
  const link = folder.join("link");
  await Deno.symlink(path, link);
  await editKnownHosts(link, (known) => known.without("db1", 22).with("db2", 22, other));
  assertEquals((await Deno.lstat(link)).isSymlink, true);
  assertEquals((await readKnownHosts(path)).check("db2", 22, other).verdict, "trusted");
});

Deno.test("Parallel edits lose no line", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("hosts", `gone ${mine}\n`);
  const names = Array.from({ length: 20 }, (_, at) => `db${at}`);
  await Promise.all([
    editKnownHosts(path, (known) => known.without("gone", 22)),
    ...names.map((name) => editKnownHosts(path, (known) => known.with(name, 22, mine))),
  ]);
  const known = await readKnownHosts(path);
  assertEquals(names.filter((name) => known.find(name, 22).length !== 1), []);
  assertEquals(known.find("gone", 22), []);
});

/** A second instance of the module, as in another process. */
async function anotherProcess(name: string): Promise<typeof editKnownHosts> {
  const module = new URL(`../../lib/known_hosts/file.ts?${name}`, import.meta.url).href;
  return (await import(module)).editKnownHosts;
}

Deno.test("Parallel edits by several processes lose no line", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("hosts", "# mine\n");
  const names = ["a", "b", "c"];
  await Promise.all(names.map(async (name) => {
    const edit = await anotherProcess(name);
    for (let i = 0; i < 20; i++) {
      await edit(path, (known) => known.with(`${name}${i}`, 22, mine));
      // Each replacement of the file includes the lines that others added meanwhile.
      if (i > 0) await edit(path, (known) => known.without(`${name}${i - 1}`, 22));
    }
  }));
  const lines = (await Deno.readTextFile(path)).trim().split("\n");
  assertEquals(lines.map((line) => line.split(" ")[0]).sort(), ["#", "a19", "b19", "c19"]);
});

Deno.test("A line that a program without locks adds meanwhile is kept", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("hosts", `gone ${mine}\n`);
  let calls = 0;
  await editKnownHosts(path, (known) => {
    if (++calls === 1) Deno.writeTextFileSync(path, `new ${other}\n`, { append: true });
    return known.without("gone", 22);
  });
  assertEquals([await Deno.readTextFile(path), calls], [`new ${other}\n`, 2]);
  const names = [...Deno.readDirSync(folder.path)].map(({ name }) => name);
  assertEquals(names, ["hosts"]); // the first attempt's temporary file is removed
});

Deno.test("A failed edit does not change the file, and others continue", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("hosts", TEXT);
  const failing = editKnownHosts(path, () => {
    throw new Error("oops");
  });
  const next = editKnownHosts(path, (known) => known.with("db9", 22, mine));
  await assertRejects(() => failing, Error, "oops");
  assertEquals(await next, true);
  await assertRejects(() => editKnownHosts(folder.path, (known) => known));
});
