/** The tests that need quick refusals, of all folders. */
import { importTestsWith } from "../support/room.ts";

await importTestsWith("quick_refusals.ts");
