/** The tests of `tests/sftp`. */
import { importTests } from "../support/room.ts";

await importTests("sftp");
