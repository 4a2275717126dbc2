/** The tests of `tests/client`. */
import { importTests } from "../support/room.ts";

await importTests("client");
