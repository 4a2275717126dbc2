/** Additional requirements for signatures by keys on security tokens (`sk-…`). */
export interface VerifyOptions {
  /** Whether the signature is valid without a touch of the token: sshd's `no-touch-required`. */
  readonly noTouchRequired?: boolean;
  /** Whether the token must have verified its user, by PIN or finger: sshd's `verify-required`. */
  readonly verifyRequired?: boolean;
}

/** The hash of a fingerprint, by its prefix. */
export type FingerprintHash = "SHA256" | "SHA512" | "SHA384" | "SHA1" | "MD5";

/** The public half of a key, or a certificate of it. */
export interface PublicKey {
  /** The name of the key's type, such as `"ssh-ed25519"` or `"ssh-ed25519-cert-v01@openssh.com"`. */
  readonly type: string;
  /** The key in wire format (RFC 4253 §6.6). */
  readonly blob: Uint8Array;
  /** The comment, or `""`. */
  readonly comment: string;
  /** Its size in bits. */
  readonly bits: number;
  /** The signature algorithms that the key can make, best first. */
  readonly algorithms: readonly string[];
  /**
   * Signature algorithms that are no longer safe, such as `"ssh-rsa"` with SHA-1: used only if the caller
   * names them. Do not take the name from the label of a signature: compare that with `algorithms`.
   */
  readonly legacyAlgorithms: readonly string[];
  /** The certificate's contents; null if this is a plain key. */
  readonly certificate: Certificate | null;
  /** The fingerprint as in `ssh-keygen -l`, with SHA-256 unless given; of a certificate, that of its key. */
  fingerprint(hash?: FingerprintHash): string;
  /** Verifies `signature`, a blob with its label, as made by this key over `data` with `algorithm`. */
  verify(
    algorithm: string,
    data: Uint8Array,
    signature: Uint8Array,
    options?: VerifyOptions,
  ): boolean;
  /** Whether the other is the same key, ignoring comments. */
  equals(other: PublicKey): boolean;
  /** The key as one line, as in a `.pub` file. */
  toString(): string;
}

/**
 * The contents of a certificate (OpenSSH PROTOCOL.certkeys). Its signature is valid, but nothing else was
 * checked: use `checkCertificate`.
 */
export interface Certificate {
  /** The certified key. */
  readonly publicKey: PublicKey;
  /** The serial number that the authority chose; 0 if it uses none. */
  readonly serial: bigint;
  /** `"user"` for a certificate of a client, `"host"` for one of a server. */
  readonly kind: "user" | "host";
  /** The authority's name for the holder, for logs. */
  readonly keyId: string;
  /** The users or hosts that the certificate is for. */
  readonly principals: readonly string[];
  /** The first second in which it is valid, since 1970-01-01 UTC. */
  readonly validAfter: bigint;
  /** The first second in which it is no longer valid, since 1970-01-01 UTC; 2^64-1 for no limit. */
  readonly validBefore: bigint;
  /**
   * Its restrictions (critical options), by name, such as `"force-command"`; the value of a flag is `""`. A
   * program must refuse a certificate with an unknown one.
   */
  readonly criticalOptions: ReadonlyMap<string, string>;
  /** Its permissions (extensions), by name, such as `"permit-pty"`; the value of a flag is `""`. */
  readonly extensions: ReadonlyMap<string, string>;
  /** The key that signed it. */
  readonly authority: PublicKey;
  /** The algorithm of its signature. */
  readonly signatureAlgorithm: string;
}

/** Proves to a third party, such as an agent, which server a session is with. */
export interface HostProof {
  /** The server's host key. */
  readonly hostKey: PublicKey;
  /** The session identifier: the first exchange hash (RFC 4253 §7.2). */
  readonly sessionId: Uint8Array;
  /** The host key's signature of the session identifier. */
  readonly signature: Uint8Array;
}
