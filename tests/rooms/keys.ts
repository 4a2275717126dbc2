/** The tests of `tests/keys`. */
import { importTests } from "../support/room.ts";

await importTests("keys");
