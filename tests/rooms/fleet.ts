/** The tests of `tests/fleet`. */
import { importTests } from "../support/room.ts";

await importTests("fleet");
