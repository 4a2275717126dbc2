/** The tests of `tests/connection`. */
import { importTests } from "../support/room.ts";

await importTests("connection");
