import { isBefore } from "../../lib/runtime/deno_version.ts";

/**
 * Whether this is a Deno before 2.7.12, whose files have no functions by descriptor, O_NOFOLLOW among them. README.md
 * lists what such a version lacks; that is not tested there.
 */
export const WITHOUT_DESCRIPTORS: boolean = isBefore(2, 7, 12);

/**
 * Whether `Deno.connect` with a signal leaves a resource open if the name is not found: 2.7.3 does, 2.9.6 does not. Options
 * of tests that look up such a name.
 */
export const LOOKUP_LEAKS: { sanitizeResources?: false } = isBefore(2, 9, 0)
  ? { sanitizeResources: false }
  : {};
