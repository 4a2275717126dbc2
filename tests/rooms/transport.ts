/** The tests of `tests/transport`. */
import { importTests } from "../support/room.ts";

await importTests("transport");
