import type { Directive } from "./directive.ts";
import { DIRECTIVES, type RawSettings } from "./directives.ts";
import { type ForwardSetting, showEnd } from "./forwards.ts";

type SettingName = keyof RawSettings;

/** Keys that ssh prints in a way of its own. */
const NAMES: Partial<Record<SettingName, string>> = {
  CanonicalizePermittedCNAMEs: "canonicalizePermittedcnames",
};

/**
 * Every setting as `ssh -G` prints it, one in a line, those that the files do not mention among them.
 *
 * @param settings What is set, with User and HostName
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

/** What leads to a unix socket stands among the dynamic ones, too: so ssh has it. */
function isWithoutHost({ to }: ForwardSetting): boolean {
  return to === null || "path" in to;
}
