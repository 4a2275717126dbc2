/** The tests of `tests/wire`. */
import { importTests } from "../support/room.ts";

await importTests("wire");
