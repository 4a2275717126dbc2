/** The tests of `tests/terminal`. */
import { importTests } from "../support/room.ts";

await importTests("terminal");
