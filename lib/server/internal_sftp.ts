/**
 * A forced command `internal-sftp` and its flags, which restrict a session as those of sftp-server(8)
 * do.
 */
import { splitWords } from "../config/words.ts";
import { EXTENSIONS } from "../sftp/server/extensions.ts";
import { OPERATIONS } from "../sftp/server/operations.ts";
import type { ServeSftpOptions, SftpService } from "../sftp/server/server.ts";
import { startingIn } from "../sftp/server/start_folder.ts";

/** The restrictions of the flags. */
interface InternalSftp {
  readonly restrictions: Required<Pick<ServeSftpOptions, "readOnly" | "umask" | "permits">>;
  /** The start of relative paths, with tokens; null for the backend's default. */
  readonly directory: string | null;
}

/** Whether a command is `internal-sftp`. */
export function isInternalSftp(command: string | undefined): command is string {
  return command !== undefined && /^internal-sftp(\s|$)/.test(command);
}

/** Whether a command has unknown flags, which may restrict more than is enforced. */
export function isNotUnderstood(command: string | undefined): boolean {
  return isInternalSftp(command) && parse(command) === null;
}

/** A service with the restrictions of a forced command; null if a flag is unknown. */
export function restricted(
  service: SftpService,
  command: string,
  user: string,
): SftpService | null {
  const parsed = parse(command);
  const directory = parsed && expanded(parsed.directory, user);
  if (parsed === null || directory === undefined) return null;
  const { readOnly, umask, permits } = parsed.restrictions;
  const { backend } = service;
  return {
    ...service,
    backend: directory === null ? backend : startingIn(backend, directory),
    readOnly: readOnly || (service.readOnly ?? false),
    umask: umask | (service.umask ?? 0),
    permits: (request) => permits(request) && (service.permits?.(request) ?? true),
  };
}

/** The flags of sftp-server(8) with a value; `-f`, `-l` and `-e` concern logs and restrict nothing. */
const VALUED = "dfluPp";
const PLAIN = "eR";

function parse(command: string): InternalSftp | null {
  const words = splitWords(command)?.slice(1) ?? null;
  if (words === null) return null;
  const found = new Map<string, string>();
  for (let word; (word = words.shift()) !== undefined;) {
    if (!/^-./s.test(word)) return null;
    for (let at = 1; at < word.length; at++) {
      const letter = word[at]!;
      if (PLAIN.includes(letter)) found.set(letter, "");
      else {
        const value = at + 1 < word.length ? word.slice(at + 1) : words.shift();
        if (!VALUED.includes(letter) || value === undefined) return null;
        found.set(letter, value);
        break;
      }
    }
  }
  const umask = found.get("u") ?? "0";
  const [allowed, denied] = ["p", "P"].map((letter) => found.get(letter)?.split(",") ?? null);
  if (!/^[0-7]{1,4}$/.test(umask) || !(denied ?? []).every(isRequest)) return null;
  return {
    directory: found.get("d") ?? null,
    restrictions: {
      readOnly: found.has("R"),
      umask: parseInt(umask, 8),
      permits: (request) => !denied?.includes(request) && (!allowed || allowed.includes(request)),
    },
  };
}

/** Unknown names are refused, because they would deny nothing. */
function isRequest(name: string): boolean {
  return [...OPERATIONS.values(), ...EXTENSIONS.values()].some((known) => known.name === name);
}

/**
 * `%u` is the user, `%d` the start folder of the backend; undefined if the result is not the name of a
 * folder.
 */
function expanded(template: string | null, user: string): string | null | undefined {
  if (template === null) return null;
  const isName = user !== "" && user !== "." && user !== ".." && !/[/\\\0]/.test(user);
  let good = true;
  const directory = template.replace(/%(.?)/gs, (_, letter: string) => {
    if (letter === "%") return "%";
    if (letter === "d") return ".";
    good &&= letter === "u" && isName;
    return user;
  });
  return good ? directory : undefined;
}
