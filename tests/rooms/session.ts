/** The tests of `tests/session`. */
import { importTests } from "../support/room.ts";

await importTests("session");
