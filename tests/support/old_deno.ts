import { isBefore } from "../../lib/runtime/deno_version.ts";

/**
 * Whether this is a Deno before 2.7.12, whose files have no functions by descriptor, O_NOFOLLOW among them. README.md
 * lists what such a version lacks; that is not tested there.
 */
export const WITHOUT_DESCRIPTORS: boolean = isBefore(2, 7, 12);
