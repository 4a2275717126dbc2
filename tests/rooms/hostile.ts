/** The tests of `tests/hostile`. */
import { importTests } from "../support/room.ts";

await importTests("hostile");
