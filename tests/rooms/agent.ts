/** The tests of `tests/agent`. */
import { importTests } from "../support/room.ts";

await importTests("agent");
