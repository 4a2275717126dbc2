/** A file that is written in several sessions: where each request goes, what is repeated, and its end. */
import { assertEquals, assertRejects } from "@std/assert";
import { SftpError, SftpStatus } from "../../lib/sftp/mod.ts";
import { Lane } from "../../lib/sftp/remote/lane.ts";
import { PathEstimate } from "../../lib/sftp/remote/pacing.ts";
import type { RemoteFile } from "../../lib/sftp/remote/remote_file.ts";
import {
  type FurtherLanes,
  type WiderPath,
  WriteBehind,
  type WriteBehindOptions,
} from "../../lib/sftp/remote/write_behind.ts";
import { FakeTime } from "../support/fake_time.ts";
import { turn } from "./world.ts";

/** The bytes of one request. */
const REQUEST = 1000;
const REFUSED = new SftpError(SftpStatus.FAILURE, "write", "/file", "Failure");
const LOST = new SftpError(SftpStatus.CONNECTION_LOST, "write", "/file", "lost");

interface Write extends PromiseWithResolvers<void> {
  readonly offset: number;
  readonly length: number;
  sent(): void;
}

/** A file in one session, whose WRITEs are sent and answered by the test. */
class FakeFile {
  readonly writeLength: number;
  window = Infinity;
  /** Whether the channel takes each WRITE at once. */
  isQuick = false;
  readonly pathEstimates = { write: new PathEstimate(() => 50) };
  readonly writes: Write[] = [];
  closes = 0;
  closing: Promise<void> = Promise.resolve();

  constructor(writeLength = REQUEST) {
    this.writeLength = writeLength;
  }

  writePiece(data: Uint8Array, offset: number, _limits: unknown, sent: () => void = () => {}) {
    const write = { ...Promise.withResolvers<void>(), offset, length: data.length, sent };
    this.writes.push(write);
    if (this.isQuick) sent();
    return write.promise;
  }

  close(): Promise<void> {
    this.closes++;
    return this.closing;
  }

  get offsets(): number[] {
    return this.writes.map(({ offset }) => offset);
  }

  /** Sends and answers everything. */
  answer(): void {
    for (const { sent, resolve } of this.writes.splice(0)) {
      if (!this.isQuick) sent();
      resolve();
    }
  }
}

class FakeFurther implements FurtherLanes {
  begun = 0;
  readonly asked: number[] = [];
  opening: Promise<void> | null = null;
  readonly expected: number = 0;
  next: Promise<WiderPath> | null = null;

  begin(): void {
    this.begun++;
  }

  more(sent: number): Promise<WiderPath> | null {
    this.asked.push(sent);
    const { next } = this;
    this.next = null;
    return next;
  }
}

const real = (file: FakeFile) => file as unknown as RemoteFile;
const pathOver = (...files: FakeFile[]): WiderPath => ({
  lanes: files.map((file) => new Lane(real(file))),
  inFlight: 0,
  held: 0,
});
const bytes = (requests: number) => new Uint8Array(requests * REQUEST);

/** A file after two requests, which is open in `count` further sessions. */
async function wide(count: number, options: WriteBehindOptions = {}) {
  const own = new FakeFile();
  const files = Array.from({ length: count }, () => new FakeFile());
  const further = new FakeFurther();
  const behind = new WriteBehind(real(own), { further, ...options });
  for (let at = 0; at < 2; at++) {
    if (at === 1) further.next = Promise.resolve(pathOver(...files));
    const writing = behind.write(bytes(1), () => {});
    own.answer();
    await writing;
    await behind.finish();
  }
  return { own, files, further, behind };
}

Deno.test("a unit is as many full requests as fit in 256 KiB and in a block", () => {
  for (
    const [request, inFlight, unit] of [
      [32_768, 1 << 24, 262_144],
      [131_072, 1 << 24, 262_144],
      [131_073, 1 << 24, 131_073],
      [300_000, 1 << 24, 300_000],
      [1000, 65_536, 32_000],
    ] as const
  ) {
    assertEquals(new WriteBehind(real(new FakeFile(request)), { inFlight }).unit, unit);
  }
});

Deno.test("a file without further sessions is written at its offsets, with holes that were skipped", async () => {
  const own = new FakeFile();
  own.isQuick = true;
  const behind = new WriteBehind(real(own));
  await behind.write(bytes(1), () => {});
  own.answer();
  await behind.finish();
  behind.skip(500);
  assertEquals(behind.offset, 1500);
  await behind.write(bytes(2), () => {});
  assertEquals(own.offsets, [1500, 2500]);
  own.answer();
  await behind.finish();
});

Deno.test("after an abort nothing more is written", async () => {
  const own = new FakeFile();
  own.isQuick = true;
  const signal = AbortSignal.abort(new Error("enough"));
  const behind = new WriteBehind(real(own), { signal });
  await assertRejects(() => behind.write(bytes(1), () => {}), Error, "enough");
  assertEquals(own.writes, []);
});

Deno.test("further sessions are asked for once the first bytes are written, from the end of the file", async () => {
  const { own, further, behind } = await wide(2, { start: 500 });
  assertEquals([further.begun, further.asked], [1, [2500]]);
  assertEquals([behind.isStriped, behind.reached, behind.offset], [true, 2500, 2500]);
  const writing = behind.write(bytes(1), () => {});
  own.answer();
  await writing;
  assertEquals(further.begun, 1);
});

Deno.test("a request goes to the lane with the fewest unsent ones, then with the fewest unanswered bytes", async () => {
  const { own, files: [other], behind } = await wide(1);
  let taken = false;
  const writing = behind.write(bytes(3), () => {}).then(() => taken = true);
  assertEquals([own.offsets, other!.offsets], [[2000, 4000], [3000]]);
  own.writes[0]!.sent();
  await turn();
  assertEquals(taken, false); // each lane has something to send
  own.writes[1]!.sent();
  await writing;
  const next = behind.write(bytes(1), () => {});
  assertEquals(own.offsets, [2000, 4000, 5000]);
  own.writes[2]!.sent();
  other!.writes[0]!.sent();
  await next;
  const last = behind.write(bytes(1), () => {});
  assertEquals(other!.offsets, [3000, 6000]);
  other!.writes[1]!.sent();
  await last;
  other!.answer();
  own.answer();
  await behind.finish();
  assertEquals([behind.reached, behind.unanswered], [7000, 0]);
});

Deno.test("what another session has not written is written in the first one, before its block is released", async () => {
  const { own, files: [other], behind } = await wide(1);
  let released = 0;
  const writing = behind.write(bytes(2), () => void released++);
  other!.writes[0]!.sent();
  await writing;
  other!.writes[0]!.reject(LOST);
  own.answer();
  const finishing = behind.finish();
  while (own.writes.length < 1) await turn();
  assertEquals([own.offsets, released], [[3000], 0]);
  own.answer();
  await finishing;
  assertEquals([released, behind.reached, behind.careful], [1, 4000, false]);
  const next = behind.write(bytes(2), () => {});
  assertEquals([own.offsets, other!.offsets], [[4000, 5000], [3000]]);
  own.answer();
  await next;
  await behind.finish();
});

Deno.test("nothing is written again after an abort, nor if the first session is lost", async () => {
  const abort = new AbortController();
  const aborted = await wide(1, { signal: abort.signal });
  const writing = aborted.behind.write(bytes(2), () => {});
  aborted.own.answer();
  const [other] = aborted.files;
  other!.writes[0]!.sent();
  await writing;
  abort.abort();
  other!.writes[0]!.reject(LOST);
  assertEquals(await assertRejects(() => aborted.behind.finish()), LOST);
  assertEquals(aborted.own.writes, []);
  const { own, behind } = await wide(0);
  const lost = behind.write(bytes(1), () => {});
  own.writes[0]!.reject(LOST);
  await lost;
  assertEquals(await assertRejects(() => behind.finish()), LOST);
  assertEquals([own.writes.length, behind.careful], [1, false]);
});

Deno.test("the file is closed in further sessions at once, and a refused close fails after all answers", async () => {
  for (const isRefused of [false, true]) {
    const { own, files, behind } = await wide(2);
    const writing = behind.write(bytes(1), () => {});
    own.writes[0]!.sent();
    await writing;
    if (isRefused) {
      files[1]!.closing = Promise.reject(REFUSED);
      files[1]!.closing.catch(() => {});
    }
    let ended = false;
    const ending = behind.end().finally(() => ended = true);
    const failed = isRefused ? assertRejects(() => ending, SftpError, "Failure") : ending;
    await turn();
    assertEquals([ended, own.closes, files.map(({ closes }) => closes)], [false, 0, [1, 1]]);
    own.answer();
    await failed;
  }
});

Deno.test("what is opened in a further session after the end is closed there", async () => {
  for (const end of ["end", "abandon"] as const) {
    const { own, files: [open], further, behind } = await wide(1);
    const late = new FakeFile();
    late.closing = Promise.reject(LOST);
    late.closing.catch(() => {});
    const next = Promise.withResolvers<WiderPath>();
    further.next = next.promise;
    const writing = behind.write(bytes(1), () => {});
    own.answer();
    await writing;
    await behind.finish();
    await behind[end]();
    next.resolve(pathOver(late));
    await turn();
    assertEquals([open!.closes, late.closes], [1, 1]);
  }
});

Deno.test("an abandoned file does not report that it could not be closed", async () => {
  const { files: [file], behind } = await wide(1);
  file!.closing = Promise.reject(REFUSED);
  behind.abandon();
  await turn();
  assertEquals(file!.closes, 1);
});

Deno.test("each session that opens is used at once, and waited for once", async () => {
  const { own, further, behind } = await wide(0);
  assertEquals(behind.isStriped, false);
  const opening = Promise.withResolvers<void>();
  further.opening = opening.promise;
  for (let at = 0; at < 2; at++) {
    const writing = behind.write(bytes(1), () => {});
    own.answer();
    await writing;
  }
  assertEquals(further.asked, [2000, 3000, 4000]);
  const file = new FakeFile();
  [further.opening, further.next] = [null, Promise.resolve(pathOver(file))];
  opening.resolve();
  await turn();
  assertEquals([further.asked.slice(3), behind.isStriped], [[4000], true]);
  const failing = await wide(0);
  failing.further.next = Promise.reject(LOST);
  const writing = failing.behind.write(bytes(1), () => {});
  failing.own.answer();
  await writing;
  await failing.behind.end(); // it is written without them
});

Deno.test("sessions that open one after another are each used without another write", async () => {
  const { own, further, behind } = await wide(0, { inFlight: 64_000 });
  assertEquals(behind.window, 3 * 32_000); // two blocks, and one that is being written
  const opening = [0, 1].map(() => Promise.withResolvers<void>());
  further.opening = opening[0]!.promise;
  const writing = behind.write(bytes(1), () => {});
  own.answer();
  await writing;
  further.next = Promise.resolve({ ...pathOver(new FakeFile()), inFlight: 320_000 });
  further.opening = opening[1]!.promise;
  opening[0]!.resolve();
  await turn();
  assertEquals([behind.isStriped, behind.window], [true, 11 * 32_000]);
  const asked = further.asked.length;
  further.opening = null;
  opening[1]!.resolve();
  await turn();
  assertEquals(further.asked.length, asked + 1);
  await behind.finish();
});

Deno.test("a write that waits continues in a lane that opens meanwhile", async () => {
  const { own, further, behind } = await wide(0);
  const next = Promise.withResolvers<WiderPath>();
  further.next = next.promise;
  let taken = false;
  const writing = behind.write(bytes(1), () => {}).then(() => taken = true);
  await turn();
  assertEquals(taken, false);
  next.resolve(pathOver(new FakeFile()));
  await writing;
  own.answer();
  await behind.finish();
});

Deno.test("a write that the channel takes at once does not wait", async () => {
  const own = new FakeFile();
  own.isQuick = true;
  const behind = new WriteBehind(real(own));
  await behind.write(bytes(3), () => {});
  assertEquals([behind.unanswered, behind.reached], [3, 0]);
  own.answer();
  await behind.finish();
  assertEquals(behind.reached, 3000);
});

Deno.test("what a round trip carries is measured from the answers", async () => {
  using time = new FakeTime();
  const own = new FakeFile();
  own.isQuick = true;
  const behind = new WriteBehind(real(own));
  await behind.write(bytes(1), () => {});
  time.skip(50);
  own.answer();
  await behind.finish();
  assertEquals(own.pathEstimates.write.held, REQUEST);
});

Deno.test("a write waits before the windows are full, if they total three quarters of what may be in flight", async () => {
  for (
    const [count, inFlight, window, expected] of [
      [1, 8000, 4500, 8], // as many as may be in flight
      [1, 8000, 4501, 7],
      [1, 8000, 5000, 8], // the windows are not full without another request
      [0, 96_000, 96_001, 96], // one channel has no other
    ] as const
  ) {
    const { own, files, behind } = await wide(count, { inFlight });
    own.window = window;
    const all = [own, ...files];
    for (const file of all) file.isQuick = true;
    let taken = 0;
    const writing = (async () => {
      while (taken <= expected) {
        await behind.write(bytes(1), () => {});
        taken++;
      }
    })();
    await turn();
    assertEquals(taken, expected);
    for (; taken <= expected; await turn()) for (const file of all) file.answer();
    await writing;
  }
});

Deno.test("a server that accepts one request at a time is written to in one session, and reopened", async () => {
  const again = new FakeFile();
  const { own, files: [other], further, behind } = await wide(1, {
    reopened: () => Promise.resolve(real(again)),
  });
  const writing = behind.write(bytes(1), () => {});
  own.writes[0]!.reject(REFUSED);
  await writing;
  const asked = further.asked.length;
  const finishing = behind.finish();
  while (again.writes.length < 1) await turn();
  assertEquals([again.offsets, behind.careful], [[2000], true]);
  again.answer();
  await finishing;
  const next = behind.write(new Uint8Array(1), () => {});
  own.answer();
  await next;
  assertEquals([further.asked.length, behind.unanswered, other!.offsets], [asked, 0, []]);
});

Deno.test("a server that refuses long requests gets those of 32 KiB, each after the answer to the last", async () => {
  const own = new FakeFile(100_000);
  own.isQuick = true;
  const behind = new WriteBehind(real(own));
  await behind.write(new Uint8Array(65_536), () => {});
  own.writes.splice(0)[0]!.reject(REFUSED);
  const seen: number[][] = [];
  const answering = async () => {
    while (seen.length < 5) {
      while (own.writes.length === 0) await turn();
      seen.push(own.writes.map(({ offset, length }) => [offset, length]).flat());
      own.answer();
    }
  };
  const answered = answering();
  await behind.finish();
  await behind.write(new Uint8Array(70_000), () => {});
  await answered;
  assertEquals(seen, [
    [0, 32_768],
    [32_768, 32_768],
    [65_536, 32_768],
    [98_304, 32_768],
    [131_072, 4464],
  ]);
});

Deno.test("a file is reopened after the answers to all requests, and a second refusal is final", async () => {
  const again = new FakeFile();
  let reopened = 0;
  const { own, behind } = await wide(0, {
    reopened: () => {
      reopened++;
      return Promise.resolve(real(again));
    },
  });
  own.isQuick = true;
  await behind.write(bytes(2), () => {});
  const [first, second] = own.writes.splice(0);
  const finishing = behind.finish();
  first!.reject(REFUSED);
  await turn();
  assertEquals(reopened, 0);
  second!.resolve();
  await turn();
  assertEquals([reopened, again.offsets], [1, [2000]]);
  again.answer();
  await turn();
  assertEquals(again.offsets, [3000]);
  again.answer();
  await finishing;
  const writing = behind.write(bytes(1), () => {});
  own.writes[0]!.reject(REFUSED);
  assertEquals(await assertRejects(() => writing), REFUSED);
  assertEquals([reopened, own.writes.length], [1, 1]);
});

Deno.test("a file that cannot be reopened fails with the first refusal", async () => {
  const { own, behind } = await wide(0, { reopened: () => Promise.reject(LOST) });
  const writing = behind.write(bytes(1), () => {});
  own.writes[0]!.reject(REFUSED);
  await writing;
  assertEquals(await assertRejects(() => behind.finish()), REFUSED);
});
