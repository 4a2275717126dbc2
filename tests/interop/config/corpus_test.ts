/**
 * Compares OpenSSH's `ssh -G` with ours over the configurations in `corpus/`: the directives that we
 * support are equal.
 */
import { assertEquals } from "@std/assert";
import { CONFIGURATIONS, corpusFolder, questionsOf } from "../../config/questions.ts";
import { stepUnless } from "../harness/control.ts";
import { claimed, comparison, ours, reasonToSkip, theirs, type Verdict } from "./ssh_g.ts";

await comparison("Every configuration of the corpus says the same to ssh and to us", async (t) => {
  await using folder = await corpusFolder();
  for (const name of CONFIGURATIONS) {
    const file = folder.join(name);
    const text = await Deno.readTextFile(file);
    await stepUnless(await reasonToSkip(text), t, name, async () => {
      for (const question of questionsOf(file, text)) {
        const explicit = listsOf([text, ...question.options ?? []].join("\n"));
        const [wanted, got] = await Promise.all([theirs(question), ours(question)]);
        if (wanted === null) continue; // this ssh is older than a directive of the file
        assertSame(claimed(got, explicit), claimed(wanted, explicit), JSON.stringify(question));
      }
    });
  }
});

/** Prints only the differences. */
function assertSame(got: Verdict, wanted: Verdict, question: string): void {
  if (got === "refused" || wanted === "refused") return assertEquals(got, wanted, question);
  const without = (lines: Verdict, others: Verdict) =>
    lines === "refused" ? [] : lines.filter((line) => !others.includes(line));
  assertEquals(without(got, wanted), without(wanted, got), question);
  assertEquals(got, wanted, question);
}

/** The lists of algorithms that a file sets in full; the others are defaults, which differ. */
function listsOf(text: string): string[] {
  const lists = [...text.matchAll(/^\s*(\w+)[ =]+([-+^]?)/gm)];
  const relative = lists.filter(([, , operator]) => operator !== "");
  return lists.map(([, name]) => name!.toLowerCase())
    .filter((name) => !relative.some(([, other]) => other!.toLowerCase() === name));
}
