/** The tests of `tests/config`. */
import { importTests } from "../support/room.ts";

await importTests("config");
