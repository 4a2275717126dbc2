import { assertEquals } from "@std/assert";
import { plausible } from "../../config/generator.ts";
import { LONG, randomFrom, SEED } from "../../support/random.ts";
import { tempFolder } from "../../support/temp.ts";
import { claimed, comparison, ours, reasonToSkip, theirs } from "./ssh_g.ts";

await comparison("Configurations by chance say the same to ssh and to us", async () => {
  await using folder = await tempFolder();
  for (let round = 0; round < 60 * LONG; round++) {
    const what = `DENOSSH_SEED=${SEED}, round ${round}`;
    const text = plausible(randomFrom(what));
    if (await reasonToSkip(text) !== null) continue;
    const question = { file: await folder.write("config", text), host: "db1" };
    const [wanted, got] = await Promise.all([theirs(question), ours(question)]);
    if (wanted === null) continue; // this ssh does not know a directive of the file
    assertEquals(claimed(got, []), claimed(wanted, []), `${what}: ${JSON.stringify(text)}`);
  }
});
