/** The tests of `tests/forward`. */
import { importTests } from "../support/room.ts";

await importTests("forward");
