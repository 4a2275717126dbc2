/** The tests of `tests/server`. */
import { importTests } from "../support/room.ts";

await importTests("server");
