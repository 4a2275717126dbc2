import { runtime } from "./runtime.ts";

/** An environment variable, if the permission to read it was granted already. */
export function grantedVariable(name: string): string | undefined {
  const granted = runtime.isGranted({ name: "env", variable: name });
  return granted ? runtime.env.get(name) : undefined;
}

/** The home directory of the user. */
export function homeDirectory(): string | undefined {
  return runtime.env.get("HOME") ?? runtime.env.get("USERPROFILE");
}
