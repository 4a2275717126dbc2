import { CLOSE_LINGER_MS } from "../../defaults.ts";
import { ProtocolError, SftpError } from "../../errors.ts";
import { type AnswerHandler, AnswerParser } from "./answer_parser.ts";
import { consume, type SftpChannel } from "../protocol/channel.ts";
import * as msg from "../protocol/messages.ts";
import { FXP, SFTP_VERSION } from "../protocol/numbers.ts";
import { Outbox } from "../protocol/outbox.ts";
import { lost, sessionError, SftpStatus } from "../protocol/status.ts";
import { errorLine, StrayText } from "./stray_text.ts";

/** The last version of the protocol that a draft describes. */
const LATEST_VERSION = 6;

/** Extensions by name. */
export type Extensions = ReadonlyMap<string, string>;

/** Receives the answers of a channel, and its end. */
export interface SessionChannelEvents extends AnswerHandler {
  /** Called when the channel has ended, with the reason. */
  ended(cause: SftpError): void;
}

/** One channel of a session: exchanges versions, sends messages and parses answers. */
export class SessionChannel {
  readonly #channel: SftpChannel;
  readonly #events: SessionChannelEvents;
  readonly #outbox: Outbox;
  readonly #greeting: PromiseWithResolvers<Extensions> = Promise.withResolvers();
  #extensions: Extensions | null = null;
  #isOpen = true;
  #timer: ReturnType<typeof setTimeout> | null = null;
  readonly #receiving: Promise<void>;

  /** Sends INIT (filexfer-02 §4). */
  constructor(channel: SftpChannel, events: SessionChannelEvents) {
    this.#channel = channel;
    this.#events = events;
    this.#greeting.promise.catch(() => {}); // reported by `ended`, too
    this.#outbox = new Outbox(channel, (cause) => {
      // Before VERSION, the text that the server has sent explains more than the failed write.
      if (this.#extensions !== null) this.#ended(lost(cause));
      else this.#receiving.then(() => this.#ended(lost(cause)));
    });
    this.#outbox.push([msg.encodeVersion(FXP.INIT, SFTP_VERSION)]);
    this.#receiving = this.#receive();
  }

  /** The extensions that the server announced; null before VERSION. */
  get extensions(): Extensions | null {
    return this.#extensions;
  }

  /** Resolves to them when VERSION arrives. */
  get greeted(): Promise<Extensions> {
    return this.#greeting.promise;
  }

  /** How the server limits what is sent; undefined if that is not known. */
  get flow(): SftpChannel["state"] {
    return this.#channel.state;
  }

  /** Sends a message; `sent` is called when the channel has taken it, or has ended. */
  push(chunks: Uint8Array[], sent?: () => void): void {
    this.#outbox.push(chunks, sent);
  }

  /** Sends what is queued, and EOF. */
  async finish(): Promise<void> {
    await this.#outbox.below(0);
    await this.#channel.closeWrite();
  }

  /** Resolves when the server has ended, too. */
  get received(): Promise<void> {
    return this.#receiving;
  }

  /** Closes the channel; no events follow. */
  close(cause: Error): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#greeting.reject(cause);
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#outbox.drop();
    this.#channel.close().catch(() => {});
  }

  #ended(cause: SftpError): void {
    if (this.#isOpen) this.#events.ended(cause);
  }

  async #receive(): Promise<void> {
    try {
      const answers = new AnswerParser(this.#answerHandler);
      const text = new StrayText();
      await consume(this.#channel, (bytes) => {
        if (!this.#isOpen) return;
        if (this.#extensions !== null || !text.take(bytes)) return answers.push(bytes);
        if (text.complete) throw this.#notSftp(text);
        // A prompt does not end its line.
        this.#timer ??= setTimeout(() => this.#ended(this.#notSftp(text)), CLOSE_LINGER_MS);
      });
      if (text.line !== "") throw this.#notSftp(text);
      if (answers.inside) throw new ProtocolError("The stream ends inside a message");
      const reason = `the server closed the channel${this.#said()}`;
      this.#ended(sessionError(SftpStatus.CONNECTION_LOST, reason));
    } catch (cause) {
      this.#ended(cause instanceof SftpError ? cause : lost(cause));
    }
  }

  #notSftp(text: StrayText): SftpError {
    const reason =
      `the answer is not from an SFTP server: it sent "${text.line}"${this.#said()}; ` +
      "start-up files of the shell there must print nothing";
    return sessionError(SftpStatus.BAD_MESSAGE, reason);
  }

  /** The first line of standard error, for errors before VERSION. */
  #said(): string {
    const line = this.#extensions === null ? errorLine(this.#channel) : "";
    return line === "" ? "" : `, and said "${line}" on standard error`;
  }

  readonly #answerHandler: AnswerHandler = {
    begun: (type, id, length) => {
      if (this.#extensions !== null) return this.#events.begun(type, id, length);
      checkVersion(type, id);
      return null;
    },
    filled: (id, bytes) => this.#events.filled(id, bytes),
    spoiled: (id, problem) => this.#events.spoiled(id, problem),
    answered: (type, id, body) => {
      if (this.#extensions !== null) return this.#events.answered(type, id, body);
      this.#extensions = msg.decodeExtensions(body);
      this.#greeting.resolve(this.#extensions);
    },
  };
}

/** Checks the first message, which has a version in place of the id. */
function checkVersion(type: number, version: number): void {
  if (type !== FXP.VERSION) throw new ProtocolError("the answer is not from an SFTP server");
  // The lower version applies (filexfer-02 §4): a later server speaks ours, an earlier one only lacks
  // requests.
  if (version > LATEST_VERSION) {
    throw new ProtocolError(
      `the server speaks version ${version} of SFTP, not ${LATEST_VERSION} or less`,
    );
  }
}
