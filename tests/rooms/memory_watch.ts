/** The tests that watch memory, of all folders. */
import { importTestsWith } from "../support/room.ts";

await importTestsWith("memory_watch.ts");
