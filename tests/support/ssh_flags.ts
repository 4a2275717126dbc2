import type { Endpoint } from "./endpoint.ts";

/** The `-o` flags for an OpenSSH client to reach the endpoint without the files of the user. */
export function configFlags(
  endpoint: Endpoint,
  config: Readonly<Record<string, string | number>> = {},
): string[] {
  const settings: Record<string, string | number> = {
    Port: endpoint.port,
    UserKnownHostsFile: endpoint.knownHosts ?? "/dev/null",
    GlobalKnownHostsFile: "/dev/null",
    StrictHostKeyChecking: endpoint.knownHosts === undefined ? "no" : "yes",
    UpdateHostKeys: "no",
    IdentityAgent: "none",
    IdentitiesOnly: "yes",
    IdentityFile: endpoint.identity ?? "none",
    PubkeyAuthentication: endpoint.identity === undefined ? "no" : "yes",
    NumberOfPasswordPrompts: 1,
    BatchMode: endpoint.identity === undefined ? "no" : "yes",
    LogLevel: "ERROR",
    ...config,
  };
  return ["-F", "none", ...Object.entries(settings).flatMap(([k, v]) => ["-o", `${k}=${v}`])];
}
