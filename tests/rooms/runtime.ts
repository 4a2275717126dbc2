/** The tests of `tests/runtime`. */
import { importTests } from "../support/room.ts";

await importTests("runtime");
