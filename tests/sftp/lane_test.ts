import { assertEquals, assertRejects } from "@std/assert";
import { SftpError, type SftpOptions, SftpStatus } from "../../lib/sftp/mod.ts";
import { Lane } from "../../lib/sftp/remote/lane.ts";
import type { RemoteFile } from "../../lib/sftp/remote/remote_file.ts";
import { turn } from "./world.ts";

const REFUSED = new SftpError(SftpStatus.FAILURE, "write", "/file", "Failure");
const LOST = new SftpError(SftpStatus.CONNECTION_LOST, "write", "/file", "lost");

/** A file whose WRITEs are sent and answered by the test. */
class FakeFile {
  readonly writes: (PromiseWithResolvers<void> & { sent: () => void })[] = [];
  closes = 0;
  closing: Promise<void> = Promise.resolve();

  writePiece(_bytes: Uint8Array, _offset: number, _limits: unknown, sent: () => void) {
    const write = Promise.withResolvers<void>();
    this.writes.push({ ...write, sent });
    return write.promise;
  }

  close(): Promise<void> {
    this.closes++;
    return this.closing;
  }
}

function laneOf(file: FakeFile): Lane {
  return new Lane(file as unknown as RemoteFile);
}

Deno.test("a lane tells when its channel has taken every WRITE, and at each answer", async () => {
  const file = new FakeFile();
  const lane = laneOf(file);
  let news = 0;
  const write = (length: number) => lane.write(new Uint8Array(length), 0, {}, () => void news++);
  const writing = [write(3), write(4)];
  file.writes[0]!.sent();
  assertEquals([lane.unsent, lane.unanswered, news], [1, 7, 0]);
  file.writes[1]!.sent();
  assertEquals([lane.unsent, news], [0, 1]);
  file.writes[1]!.resolve();
  await writing[1];
  assertEquals([lane.written, lane.unanswered, news], [4, 3, 2]);
  file.writes[0]!.resolve();
  await writing[0];
  assertEquals([lane.written, lane.unanswered, news, lane.usable], [7, 0, 3, true]);
});

Deno.test("a lane is not used after a WRITE that failed, nor after its close", async () => {
  const file = new FakeFile();
  const lane = laneOf(file);
  let news = 0;
  const writing = lane.write(new Uint8Array(3), 0, {}, () => void news++);
  file.writes[0]!.reject(REFUSED);
  await assertRejects(() => writing, SftpError);
  await turn();
  assertEquals([lane.usable, lane.written, lane.unanswered, news], [false, 0, 0, 1]);
  const other = laneOf(new FakeFile());
  const closing = other.close({});
  assertEquals([other.usable, other.close({}) === closing], [false, true]);
  await closing;
});

Deno.test("the close of a lane fails if it is refused or aborted, and not if its session is lost", async () => {
  const aborted: SftpOptions = { signal: AbortSignal.abort(new Error("enough")) };
  for (
    const [cause, limits, fails] of [
      [REFUSED, {}, true],
      [LOST, aborted, true],
      [LOST, {}, false],
    ] as const
  ) {
    const file = new FakeFile();
    file.closing = Promise.reject(cause);
    file.closing.catch(() => {});
    const lane = laneOf(file);
    if (fails) assertEquals(await assertRejects(() => lane.close(limits)), cause);
    else await lane.close(limits);
    assertEquals(file.closes, 1);
  }
});
