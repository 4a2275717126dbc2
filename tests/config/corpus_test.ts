import { assertEquals } from "@std/assert";
import { answers, recordedAnswers } from "./answers.ts";

const [found, recorded] = await Promise.all([answers(), recordedAnswers()]);

Deno.test("Every configuration of the corpus has recorded answers", () => {
  assertEquals([...recorded.keys()], [...found.keys()]);
});

for (const [name, text] of found) {
  Deno.test(`The configuration ${name} has the answers that are recorded`, () => {
    assertEquals(text.split("\n"), recorded.get(name)?.split("\n"));
  });
}
