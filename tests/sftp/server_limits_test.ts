/** What sessions of a connection share, and what all files of a process share. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { runtime } from "../../lib/runtime/runtime.ts";
import { SftpError } from "../../lib/sftp/mod.ts";
import { AnswerBuffers, RequestBuffers } from "../../lib/sftp/server/buffers.ts";
import { Descriptors, limitOfProcess } from "../../lib/sftp/server/descriptors.ts";
import { ConnectionShare } from "../../lib/sftp/server/share.ts";
import { replaced } from "../support/replaced.ts";
import { replacedFiles } from "./local_files.ts";
import { turn } from "./world.ts";

const MiB = 1024 * 1024;

Deno.test("one or two sessions have 2 MiB each, more divide 4 MiB until they end", () => {
  const share = new ConnectionShare();
  const sessions = [share.session()];
  assertEquals(share.sessionBytes, 2 * MiB);
  sessions.push(share.session());
  assertEquals(share.sessionBytes, 2 * MiB);
  sessions.push(share.session());
  assertEquals(share.sessionBytes, 4 * MiB / 3);
  for (let count = 3; count < 100; count++) sessions.push(share.session());
  assertEquals(share.sessionBytes, 4 * MiB / 100);
  for (const session of sessions.splice(4)) session[Symbol.dispose]();
  assertEquals(share.sessionBytes, MiB);
});

Deno.test("a connection has 512 handles, and a returned one can be taken again", () => {
  const share = new ConnectionShare();
  for (let count = 0; count < 512; count++) share.takeHandle();
  for (let refusals = 0; refusals < 3; refusals++) {
    assertThrows(() => share.takeHandle(), SftpError, "Too many open handles");
  }
  share.returnHandle();
  share.takeHandle();
  assertThrows(() => share.takeHandle(), SftpError, "Too many open handles");
});

Deno.test("three quarters of the process's descriptors are for files, and a refusal takes none", () => {
  const descriptors = new Descriptors(1001); // 750.75 of them for files
  const held = Array.from({ length: 375 }, () => descriptors.take(2));
  for (let refusals = 0; refusals < 3; refusals++) {
    assertThrows(() => descriptors.take(1), SftpError, "Too many open files");
  }
  held.pop()![Symbol.dispose]();
  assertThrows(() => descriptors.take(3), SftpError, "Too many open files");
  descriptors.take(1);
  descriptors.take(1);
  assertThrows(() => descriptors.take(1), SftpError, "Too many open files");
});

/** The limit, and the paths that were read, if the system has this text or throws this error. */
function limitWith(answer: string | Error, granted = true): [number | null, string[]] {
  const paths: string[] = [];
  using _granted = replaced(runtime, "isGranted", () => granted);
  using _files = replacedFiles({
    readTextFileSync(path) {
      paths.push(`${path}`);
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  return [limitOfProcess(), paths];
}

Deno.test("the soft limit of open files is read without asking for permission", () => {
  const text = (soft: string) =>
    "Limit                     Soft Limit           Hard Limit           Units     \n" +
    "Max processes             7                    8                    processes \n" +
    `Max open files            ${soft.padEnd(21)}4096                 files     \n`;
  const path = ["/proc/self/limits"];
  assertEquals(limitWith(text("1024")), [1024, path]);
  assertEquals(limitWith(text("unlimited")), [null, path]);
  assertEquals(limitWith("other"), [null, path]);
  assertEquals(limitWith(new Deno.errors.NotFound("/proc")), [null, path]);
  assertEquals(limitWith(new Deno.errors.NotCapable("read")), [null, path]);
  assertEquals(limitWith(text("1024"), false), [null, []]);
});

Deno.test("buffers of answers together keep 4 MiB, of any length", () => {
  for (const [length, kept] of [[MiB, 4], [MiB + 1, 3], [4 * MiB, 1], [4 * MiB + 1, 0]] as const) {
    const answers = new AnswerBuffers();
    const taken = Array.from({ length: 6 }, () => answers.take(length).buffer);
    for (const buffer of taken) answers.give(buffer);
    const again = Array.from({ length: 6 }, () => answers.take(length).buffer);
    assertEquals(again.filter((buffer) => taken.includes(buffer)).length, kept, `${length}`);
  }
});

Deno.test("buffers that are too short for a longer answer are dropped, not handed out", () => {
  const answers = new AnswerBuffers();
  const short = answers.take(100).buffer;
  answers.give(short);
  assert(answers.take(101).buffer !== short);
  assertEquals(answers.take(101).length, 101);
});

Deno.test("two running requests never share a buffer, and a free one is used again", async () => {
  const requests = new RequestBuffers();
  const gates = Array.from({ length: 3 }, () => Promise.withResolvers<void>());
  const lent = gates.map(({ promise }) => {
    const { current } = requests;
    requests.lend(current.subarray(9), promise);
    return current;
  });
  assertEquals(new Set([...lent, requests.current]).size, 4);
  gates[1]!.resolve();
  await turn();
  requests.lend(requests.current, new Promise(() => {}));
  assert(requests.current === lent[1]);
  requests.lend(requests.current, new Promise(() => {}));
  assert(!lent.includes(requests.current));
});
