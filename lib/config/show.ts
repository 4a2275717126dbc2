import type { Directive } from "./directive.ts";
import { DIRECTIVES, type RawSettings } from "./directives.ts";
import { type ForwardSetting, showEnd } from "./forwards.ts";

type SettingName = keyof RawSettings;

/** Settings that ssh prints in a special form. */
const NAMES: Partial<Record<SettingName, string>> = {
  CanonicalizePermittedCNAMEs: "canonicalizePermittedcnames",
};

/**
 * Every setting as `ssh -G` prints it, one per line, including defaults.
 *
 * @param settings The settings, with User and HostName
 */
export function showSettings(alias: string, settings: RawSettings): string {
  const lines = [`host ${alias}`];
  for (const key of Object.keys(DIRECTIVES) as SettingName[]) {
    for (const text of textsOf(key, settings)) {
      lines.push(`${NAMES[key] ?? key.toLowerCase()} ${text}`);
    }
  }
  return lines.map((line) => `${line}\n`).join("");
}

function textsOf(key: SettingName, settings: RawSettings): readonly string[] {
  const row = DIRECTIVES[key] as Directive<unknown>;
  const { otherwise } = row;
  const value = settings[key] ??
    (typeof otherwise === "function" ? otherwise(settings) : otherwise);
  switch (key) {
    case "ConnectTimeout":
      return value === undefined ? ["none"] : row.show(value);
    case "DynamicForward":
      return settings.LocalForward?.filter(isWithoutHost).map(({ from }) => showEnd(from)) ?? [];
    case "LocalForward":
      return row.show(settings.LocalForward?.filter(({ to }) => to !== null) ?? []);
    default:
      return settings[key] === null ? row.show(null) : value === undefined ? [] : row.show(value);
  }
}

/** As in ssh, tunnels to a Unix socket are also printed among the dynamic ones. */
function isWithoutHost({ to }: ForwardSetting): boolean {
  return to === null || "path" in to;
}
