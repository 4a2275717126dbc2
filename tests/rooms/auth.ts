/** The tests of `tests/auth`. */
import { importTests } from "../support/room.ts";

await importTests("auth");
