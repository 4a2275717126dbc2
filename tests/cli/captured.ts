/** Runs tools within the test's process, since starting a process takes longer than most of their work. */

import { fakeEnv } from "../support/fake_env.ts";
import { replaced } from "../support/replaced.ts";

/** A tool's output and exit code. */
export interface Said {
  readonly code: number;
  readonly text: string;
  readonly stderr: string;
}

/** A tool's surroundings. */
interface Surroundings {
  /** Its standard input. */
  readonly stdin?: string;
  /** Variables of its environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a tool and captures its output; its prompts get no answer. Runs one tool at a time. */
export async function captured(
  tool: (args: readonly string[]) => Promise<number>,
  args: readonly string[],
  { stdin = "", env = {} }: Surroundings = {},
): Promise<Said> {
  const said = { text: "", stderr: "" };
  await using stack = new AsyncDisposableStack();
  const decoder = new TextDecoder();
  const replace = <T extends object>(object: T, name: keyof T, value: unknown) => {
    Object.defineProperty(object, name, { value, configurable: true });
    stack.defer(() => void Reflect.deleteProperty(object, name));
  };
  for (const [stream, name] of [[Deno.stdout, "text"], [Deno.stderr, "stderr"]] as const) {
    const write = (bytes: Uint8Array) => {
      said[name] += decoder.decode(bytes);
      return bytes.length;
    };
    replace(stream, "writeSync", write);
    replace(stream, "write", (bytes: Uint8Array) => Promise.resolve(write(bytes)));
  }
  // ssh opens a pipe once more by its path.
  const { stat } = Deno;
  const missing = () => Promise.reject(new Deno.errors.NotFound());
  stack.use(
    replaced(
      Deno,
      "stat",
      (path) => /^\/dev\/std(in|out)$/.test(`${path}`) ? missing() : stat(path),
    ),
  );
  const input = new Blob([stdin]).stream();
  replace(Deno.stdin, "readable", input);
  let reader: ReadableStreamBYOBReader | null = null;
  replace(Deno.stdin, "read", async (into: Uint8Array) => {
    reader ??= input.getReader({ mode: "byob" });
    const { value } = await reader.read(new Uint8Array(into.length));
    if (value) into.set(value);
    return value?.length || null;
  });
  const { log } = console;
  console.log = (line: string) => void (said.text += `${line}\n`);
  stack.defer(() => void (console.log = log));
  stack.use(fakeEnv({ SSH_ASKPASS_REQUIRE: "force", SSH_ASKPASS: "/bin/false", ...env }));
  const code = await tool(args);
  return { code, ...said };
}
