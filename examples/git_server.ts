/**
 * A git server: the first push creates the repository. Each user's keys are in a file of KEYS; one
 * function decides what each user may do. Needs `git`.
 *
 *     deno run --allow-net --allow-read --allow-write --allow-run=git --allow-env=PATH,HOME --allow-sys=uid \
 *       examples/git_server.ts REPOSITORIES KEYS [PORT] [HOST_KEY]
 *
 * Try it: `git push ssh://ann@localhost:2222/notes.git main`.
 */
import { authorizedKeys, hostKeyFile, serve, type Session } from "@denossh/ssh/server";

const [folder = "repositories", keys = "keys", port = "2222", hostKey = "git_host_key"] = Deno.args;
await Deno.mkdir(folder, { recursive: true });

/** Users whose names end in -ro may only read. */
const mayWrite = (user: string) => !user.endsWith("-ro");

async function git(session: Session): Promise<number> {
  const [service = "", path = ""] = session.arguments; // such as: git-upload-pack '/notes.git'
  const name = /^\/?([\w-]+)(\.git)?$/.exec(path)?.[1];
  if (!["git-upload-pack", "git-receive-pack"].includes(service) || name === undefined) {
    await session.printError("Use git, and a name such as /notes.git\n");
    return 128;
  }
  const repository = `${folder}/${name}.git`;
  if (service === "git-receive-pack") {
    if (!mayWrite(session.user)) {
      await session.printError(`${session.user} may not push to ${name}\n`);
      return 128;
    }
    await new Deno.Command("git", { args: ["init", "--quiet", "--bare", repository] }).output();
  }
  const args = [service.replace("git-", ""), repository];
  const pipes = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
  const child = new Deno.Command("git", { args, ...pipes }).spawn();
  session.stdin.pipeTo(child.stdin).catch(() => {}); // git may end without reading all its input
  await Promise.all([
    child.stdout.pipeTo(session.stdout, { preventClose: true }),
    child.stderr.pipeTo(session.stderr),
  ]);
  return (await child.status).code;
}

/** Reads a user's keys from the file with that name. */
function keysOf(user: string): Promise<string | null> | null {
  return /^[\w-]+$/.test(user) ? Deno.readTextFile(`${keys}/${user}`).catch(() => null) : null;
}

await using server = serve({
  port: Number(port),
  hostname: "127.0.0.1",
  hostKeys: [await hostKeyFile(hostKey)],
  auth: { publicKey: authorizedKeys(keysOf) },
  pty: false,
  onError: (error) => console.error(error),
  onListen: ({ port }) => console.log(`Listening on port ${port}`),
}, git);
await server.finished;
