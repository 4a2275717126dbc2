/** The tests of `tests/login`. */
import { importTests } from "../support/room.ts";

await importTests("login");
