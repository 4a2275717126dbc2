/** `command="internal-sftp …"` restricts like the flags of sftp-server(8), or refuses the login. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { AuthError, publicKey, RequestDeniedError } from "@denossh/ssh";
import { generateKey, issueCertificate, withCertificate } from "@denossh/ssh/keys";
import {
  authorizedKeys,
  Grant,
  localFiles,
  type ServeOptions,
  type SftpService,
} from "@denossh/ssh/server";
import { type SftpClient, SftpError, SftpStatus } from "@denossh/ssh/sftp";
import { connectedPair } from "@denossh/ssh/testing";
import { isInternalSftp, isNotUnderstood, restricted } from "../../lib/server/internal_sftp.ts";
import { tempFolder } from "../support/temp.ts";

/** Runs with a client whose command is forced, at a folder with `home/tester/file`. */
async function forced(
  command: string,
  run: (sftp: SftpClient, root: string) => Promise<void>,
  service: Partial<ServeOptions["sftp"]> & object = {},
): Promise<void> {
  await using folder = await tempFolder();
  const root = folder.path;
  await Deno.mkdir(`${root}/home/tester`, { recursive: true });
  await Deno.writeTextFile(`${root}/home/tester/file`, "x");
  await using pair = await connectedPair({
    serve: {
      auth: { none: () => new Grant({ command }) },
      sftp: { backend: localFiles({ root }), ...service },
    },
  });
  await using sftp = await pair.host.sftp();
  await run(sftp, root);
}

async function denied(promise: Promise<unknown>): Promise<void> {
  assertEquals(
    (await assertRejects(() => promise, SftpError)).status,
    SftpStatus.PERMISSION_DENIED,
  );
}

for (
  const flags of [
    "-R",
    "-eR",
    "-l INFO -R",
    "-f AUTH -lVERBOSE -R",
    "-u7 -R",
    "-Rd/ -e",
    "-e ".repeat(12) + "-R",
  ]
) {
  Deno.test(`internal-sftp ${flags} allows no change`, async () => {
    await forced(`internal-sftp ${flags}`, async (sftp) => {
      assertEquals(await sftp.readTextFile("/home/tester/file"), "x");
      await denied(sftp.writeTextFile("/home/tester/file", "y"));
      await denied(sftp.mkdir("/new"));
      await denied(sftp.remove("/home/tester/file"));
    });
  });
}

for (const directory of ["/home/%u", "home/tester", "%d/home/%u", '"/home/tester"']) {
  Deno.test(`internal-sftp -d ${directory} is the start of relative paths`, async () => {
    await forced(`internal-sftp -d ${directory}`, async (sftp) => {
      assertEquals(await sftp.realPath("."), "/home/tester");
      assertEquals(await sftp.readTextFile("file"), "x");
      assertEquals(await sftp.readTextFile("/home/tester/file"), "x");
      await sftp.rename("file", "other");
      await sftp.symlink("other", "link");
      await sftp.link("other", "name");
      assertEquals(await sftp.readLink("/home/tester/link"), "other");
      const names = await Array.fromAsync(sftp.readDir(""), ({ name }) => name);
      assertEquals(names.sort(), ["link", "name", "other"]);
    });
  });
}

Deno.test("internal-sftp -u masks the mode of new files and folders, requested or default", async () => {
  await forced("internal-sftp -u 077", async (sftp, root) => {
    for (const [name, mode] of Object.entries({ with: 0o777, without: undefined })) {
      const options = mode === undefined ? {} : { mode };
      await sftp.mkdir(`/folder-${name}`, options);
      await sftp.writeTextFile(`/file-${name}`, "x", options);
    }
    const mode = async (name: string) => (await Deno.stat(`${root}/${name}`)).mode! & 0o777;
    const names = ["folder-with", "folder-without", "file-with", "file-without"];
    assertEquals(await Promise.all(names.map(mode)), [0o700, 0o700, 0o700, 0o600]);
  });
  await forced("internal-sftp -u 022", async (sftp, root) => {
    await sftp.mkdir("/folder", { mode: 0o777 });
    assertEquals((await Deno.stat(`${root}/folder`)).mode! & 0o777, 0o755);
  });
});

Deno.test("internal-sftp -P denies requests, and -p allows only some", async () => {
  await forced("internal-sftp -P remove,posix-rename", async (sftp) => {
    await denied(sftp.remove("/home/tester/file"));
    assertEquals(await sftp.readTextFile("/home/tester/file"), "x");
  });
  await forced("internal-sftp -p realpath,stat,lstat", async (sftp) => {
    assert((await sftp.stat("/home")).isDirectory);
    await denied(sftp.readTextFile("/home/tester/file"));
  });
});

Deno.test("internal-sftp's flags add to the server's restrictions", async () => {
  const service = { readOnly: true, permits: (request: string) => request !== "readlink" };
  await forced("internal-sftp -P stat", async (sftp) => {
    await denied(sftp.mkdir("/new"));
    await denied(sftp.stat("/"));
    await denied(sftp.readLink("/home"));
    assert((await sftp.lstat("/home")).isDirectory);
  }, service);
});

const NOT_UNDERSTOOD = [
  "-X",
  "-h",
  "-Q requests",
  "-u 9",
  "-u",
  "-d",
  "-P removed",
  "-R extra",
  "/srv",
  "-R -",
  '-d "open',
];

for (const flags of NOT_UNDERSTOOD) {
  Deno.test(`A key whose command is internal-sftp ${flags} is refused`, async () => {
    using key = await generateKey();
    const line = `command="internal-sftp ${flags.replaceAll('"', '\\"')}" ${key.publicKey}`;
    await assertRejects(() =>
      connectedPair({
        serve: { auth: { publicKey: authorizedKeys(() => line) } },
        connect: { auth: [publicKey(key)] },
      }), AuthError);
  });
}

Deno.test("A certificate's force-command internal-sftp is applied, or the certificate is refused", async () => {
  await using folder = await tempFolder();
  using key = await generateKey();
  using authority = await generateKey();
  const open = async (flags: string) => {
    const certificate = await issueCertificate(authority, key.publicKey, {
      kind: "user",
      keyId: "x",
      principals: ["tester"],
      criticalOptions: { "force-command": `internal-sftp ${flags}` },
    });
    const policy = authorizedKeys(() => null, { authorities: [authority.publicKey] });
    return await connectedPair({
      serve: { auth: { publicKey: policy }, sftp: localFiles({ root: folder.path }) },
      connect: { auth: [publicKey(withCertificate(key, certificate))] },
    });
  };
  await using pair = await open("-R");
  await using sftp = await pair.host.sftp();
  await denied(sftp.mkdir("/new"));
  await assertRejects(() => open("-X"), AuthError);
});

for (const command of ["internal-sftp -X", "internal-sftp -d %h", "internal-sftp -d x%"]) {
  Deno.test(`A grant of "${command}" starts no session`, async () => {
    await using folder = await tempFolder();
    await using pair = await connectedPair({
      serve: {
        auth: { none: () => new Grant({ command }) },
        sftp: localFiles({ root: folder.path }),
      },
      handler: () => assert(false, "it runs nothing else"),
    });
    await assertRejects(() => pair.host.sftp(), RequestDeniedError, "sftp");
    await assertRejects(() => pair.host.run("x"), RequestDeniedError);
  });
}

Deno.test("A user name that is not a folder name is refused in -d", async () => {
  await using folder = await tempFolder();
  for (const user of ["..", "a/../..", "."]) {
    await using pair = await connectedPair({
      connect: { user },
      serve: {
        auth: { none: () => new Grant({ command: "internal-sftp -d /home/%u" }) },
        sftp: localFiles({ root: folder.path }),
      },
    });
    await assertRejects(() => pair.host.sftp(), RequestDeniedError, "sftp");
  }
});

const backend = { start: null } as unknown as SftpService["backend"];

/** The restrictions of flags, added to those of a service; null if they are refused. */
function restrictedBy(flags: string, service: Partial<SftpService> = {}, user = "ann") {
  return restricted({ backend, ...service }, `internal-sftp ${flags}`, user);
}

Deno.test("internal-sftp is a command of its own, with or without flags", () => {
  for (const command of ["internal-sftp", "internal-sftp -R", "internal-sftp\t-R"]) {
    assert(isInternalSftp(command) && !isNotUnderstood(command), command);
  }
  for (const command of [undefined, "", "internal-sftp2", " internal-sftp", "/internal-sftp"]) {
    assert(!isInternalSftp(command) && !isNotUnderstood(command), command);
  }
  assert(isNotUnderstood("internal-sftp -X"));
});

Deno.test("The umask of internal-sftp has one to four octal digits, and adds to the server's", () => {
  const umasks: [flags: string, own: number | undefined, both: number | null][] = [
    ["", undefined, 0],
    ["", 0o22, 0o22],
    ["-u 0", 0o22, 0o22],
    ["-u 70", 0o7, 0o77],
    ["-u 0027", undefined, 0o27],
    ["-u 7777", undefined, 0o7777],
    ["-u 00000", undefined, null],
    ["-u 08", undefined, null],
    ["-u -1", undefined, null],
    ['-u ""', undefined, null],
  ];
  for (const [flags, umask, both] of umasks) {
    const service = umask === undefined ? {} : { umask };
    assertEquals(restrictedBy(flags, service)?.umask ?? null, both, flags);
  }
});

Deno.test("internal-sftp is read-only by -R or by the server", () => {
  const cases = [["-R", true], ["-R", false], ["-e", true], ["-e", false], [
    "-e",
    undefined,
  ]] as const;
  const found = cases.map(([flags, readOnly]) =>
    restrictedBy(flags, readOnly === undefined ? {} : { readOnly })!.readOnly
  );
  assertEquals(found, [true, true, true, false, false]);
});

Deno.test("A request is permitted if no flag and not the server denies it", () => {
  const names = ["open", "read", "stat", "posix-rename"];
  const cases: [flags: string, permitted: string[]][] = [
    ["", ["open", "read", "stat", "posix-rename"]],
    ["-P open", ["read", "stat", "posix-rename"]],
    ["-P open,posix-rename", ["read", "stat"]],
    ["-p open,stat", ["open", "stat"]],
    ["-p open,stat -P stat", ["open"]],
    ["-P open -P stat", ["open", "read", "posix-rename"]],
    ["-p unknown", []],
    ['-p ""', []],
  ];
  for (const [flags, permitted] of cases) {
    const { permits } = restrictedBy(flags)!;
    assertEquals(names.filter((name) => permits!(name)), permitted, flags);
    const asked: string[] = [];
    const own = (name: string) => (asked.push(name), name !== "read");
    const both = restrictedBy(flags, { permits: own })!.permits!;
    assertEquals(names.filter((name) => both(name)), permitted.filter((name) => name !== "read"));
    assertEquals(asked, permitted);
  }
  for (const flags of ["-P", "-P unknown", "-P stat,", '-P ""', "-P constructor"]) {
    assertEquals(restrictedBy(flags), null, flags);
  }
});

Deno.test("The options of the service remain, and its backend unless -d changes its start", () => {
  const onRequest = () => {};
  const service = restrictedBy("-R", { onRequest })!;
  assertEquals([service.onRequest, service.backend], [onRequest, backend]);
  assert(restrictedBy("-d /home")!.backend !== backend);
});

Deno.test("The start folder of internal-sftp has the user's name, if that is the name of a folder", () => {
  const isRefused = (flags: string, user: string) => restrictedBy(flags, {}, user) === null;
  for (const user of ["", ".", "..", "a/b", "a\\b", "a\0b", "/"]) {
    assert(isRefused("-d /home/%u", user), user);
    assert(!isRefused("-d /home", user), user);
  }
  for (const user of ["ann", "...", ".ann", "a b", "%d"]) assert(!isRefused("-d %u", user), user);
  for (const directory of ["%", "%h", "%U", "/%x/%u", "x%"]) {
    assert(isRefused(`-d ${directory}`, "ann"), directory);
  }
  for (const directory of ["%%", "%%h", "%d", "%u%u"]) {
    assert(!isRefused(`-d ${directory}`, "ann"), directory);
  }
});
