/** One Ed25519 key in the old encryptions of `openssl pkcs8 -v1`. */

/** The passphrase of all of them. */
export const OLD_PASSPHRASE = "open sesame";

/** The public key of all of them. */
export const OLD_PUBLIC =
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK8F9w7ui+p9KLrBTQIqGy6fwkE98actm0SqJRBS1weT";

/** Name, text, and the key derived from the passphrase, computed by a separate program. */
export const OLD_KEYS: [name: string, text: string, derived: string[]][] = [
  [
    "PBES1 with MD5",
    `-----BEGIN ENCRYPTED PRIVATE KEY-----
MFYwGgYJKoZIhvcNAQUDMA0ECIcL7Lr1Q7EyAgEDBDiDfaGQP4TV2/dWaVXG9SFz
gGAsD2TAHDZnzbtAyeS/jXrwsgqXxZZvllGUtNToujIywV7HJq/PDg==
-----END ENCRYPTED PRIVATE KEY-----
`,
    [
      "b0d68d57e14701db60803e3249f87155",
      "8b6bd5a28fc3ae428dca8447440e64f0",
      "7ebf96c217c0f5d6c185d68fa3ac8ad2",
    ],
  ],
  [
    "PBES1 with SHA-1",
    `-----BEGIN ENCRYPTED PRIVATE KEY-----
MFYwGgYJKoZIhvcNAQUKMA0ECGH1k3uv2elqAgEDBDjCrZ7oagGs3d1h1h5sh7en
/5yuHaXJWoIg2X20FwB8yTl6+U0s4W9Jz0BLh4ZAdVrSaDupblJUtQ==
-----END ENCRYPTED PRIVATE KEY-----
`,
    [
      "23cc701f359be6fec1e0c0211e87cd2fb07cbb6b",
      "0eb25779e430f2cf90a0ead8ad1023203b74a87d",
      "02bc4af9b1b203b326f669a2fcb318cf956cc7ec",
    ],
  ],
  [
    "PKCS#12, three keys",
    `-----BEGIN ENCRYPTED PRIVATE KEY-----
MFcwGwYKKoZIhvcNAQwBAzANBAhsoUoqxrosQAIBAwQ4WOWlowV+KV3mifoCG4Hn
UFkG4/rM1JIwMt1SSzHW3Y42DnLL/00J0jdfZv62hZcZ3Z6xzhQtUEo=
-----END ENCRYPTED PRIVATE KEY-----
`,
    [
      "0401e02153d40ef78f7649ea1826b121ac6ec316ae0ef46f",
      "4cfa8885aae440a6382bb23c41b78c0618dc05c7",
      "81151bc283edcc27cd5138cb4f8b4fc003afe1da",
      "0401e02153d40ef78f7649ea1826b121ac6ec316",
      "06997bf4b484aebbccba77ad7b26902e4d3facb1",
      "a8de6766966607aa4601f4753b68a384ffdf0bc3",
      "ae0ef46f15550935a9178343ead09be7144e14e5",
    ],
  ],
  [
    "PKCS#12, two keys",
    `-----BEGIN ENCRYPTED PRIVATE KEY-----
MFcwGwYKKoZIhvcNAQwBBDANBAhdKHEEwjt/BwIBAwQ4UZQlIeEv4ZpKk1QFUXYc
G6yyuz/ofGiXZtJk+7wuyoIub2HsfBwWFhx9WHlzH1W8xzLy+Jr1aQ4=
-----END ENCRYPTED PRIVATE KEY-----
`,
    [
      "b8e7ff1e5fe242656049a05ad572ce27",
      "1d09764fdaad89db664822f87f34a4c3bbcff991",
      "2aaca8972cdbbd4dc392ba51e4142fcc9fc92f49",
      "b8e7ff1e5fe242656049a05ad572ce27c72c3ade",
    ],
  ],
];
