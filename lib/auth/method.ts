/** The client's credentials as values. */
export type { AuthDialog, AuthMethod } from "./dialog.ts";
export { hostBased, type HostBasedOptions } from "./host_based.ts";
export { interactive } from "./interactive.ts";
export { none } from "./none.ts";
export { password, type PasswordOptions } from "./password.ts";
export type { Challenge, Prompt } from "./prompts.ts";
export { publicKey, type PublicKeyOptions } from "./public_key.ts";
