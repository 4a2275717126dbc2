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

/** What is told of a channel; its data goes to the handler of answers. */
export interface SessionChannelEvents extends AnswerHandler {
  /** The channel has ended, for this reason. */
  ended(cause: SftpError): void;
}

/** One channel of a session: greets, sends messages, takes answers apart, and ends. */
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
    this.#greeting.promise.catch(() => {}); // told as the end, too
    this.#outbox = new Outbox(channel, (cause) => {
      // Before the greeting, what the server has sent says more than the failure to write to it.
      if (this.#extensions !== null) this.#ended(lost(cause));
      else this.#receiving.then(() => this.#ended(lost(cause)));
    });
    this.#outbox.push([msg.encodeVersion(FXP.INIT, SFTP_VERSION)]);
    this.#receiving = this.#receive();
  }

  /** The extensions that the server announced; null before it has. */
  get extensions(): Extensions | null {
    return this.#extensions;
  }

  /** Resolves to them when the server has greeted. */
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

  /** Closes the channel; nothing is told of it any more. */
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
        // A prompt has no end of line.
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
    const reason = `what answered is not an SFTP server: it sent "${text.line}"${this.#said()}; ` +
      "start-up files of the shell there must print nothing";
    return sessionError(SftpStatus.BAD_MESSAGE, reason);
  }

  /** The first line of standard error, for errors before the session has begun. */
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

/** Checks the first message, which has a version where others have an id. */
function checkVersion(type: number, version: number): void {
  if (type !== FXP.VERSION) throw new ProtocolError("what answered is not an SFTP server");
  // The lower version counts (filexfer-02 §4): later ones are ours, and earlier ones lack requests only.
  if (version > LATEST_VERSION) throw new ProtocolError(`the server speaks version ${version}`);
}
