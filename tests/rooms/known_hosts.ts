/** The tests of `tests/known_hosts`. */
import { importTests } from "../support/room.ts";

await importTests("known_hosts");
