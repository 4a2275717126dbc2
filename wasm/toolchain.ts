/**
 * The programs that compile the core: their paths, arguments and versions.
 *
 * @module
 */

export const WASM_PACK = "0.15.1";
export const WASM_BINDGEN = "0.2.130";
export const TARGET = "wasm32-unknown-unknown";

/** A Rust compiler for `TARGET`, with the C compiler that ring needs. */
export interface Toolchain {
  name: string;
  /** The folder of cargo and its subcommands, with a slash at the end; empty for those in PATH. */
  bin: string;
  /** For `wasm-pack --mode`. */
  mode: "no-install" | "force";
  /** For every `cargo` command that compiles. */
  arguments: string[];
  /** For rustc. */
  flags: string[];
  environment: Record<string, string>;
  /** Every version that the artifact's bytes depend on, as one line. */
  versions: string;
}

/** Debian's packages if they are installed, because CI compares with their result; otherwise rustup's. */
export async function findToolchain(): Promise<Toolchain> {
  await expect("wasm-pack", WASM_PACK);
  await expect("wasm-bindgen", WASM_BINDGEN, "wasm-bindgen-cli");
  const clang = await first("clang-19", "clang");
  const environment = {
    CC_wasm32_unknown_unknown: clang,
    AR_wasm32_unknown_unknown: await first("llvm-ar-19", "llvm-ar"),
  };
  const tools = [`clang ${await version(clang)}`, `wasm-bindgen ${WASM_BINDGEN}`];
  const librarySource = "/usr/lib/rustlib/src/rust";
  if (await exists("/usr/bin/cargo") && await exists(`${librarySource}/library/Cargo.lock`)) {
    const linker = await first("wasm-ld-19", "wasm-ld");
    return {
      name: "Debian's rustc-web, with std from source",
      bin: "/usr/bin/",
      mode: "force", // see README.md
      arguments: ["-Zbuild-std=std,panic_abort"],
      // A panic is a trap without a text anyway, so std need not contain the code to format one.
      flags: [
        "-Zunstable-options",
        "-Cpanic=immediate-abort",
        `-Clinker=${linker}`,
        `--remap-path-prefix=${librarySource}=rust`,
      ],
      environment: {
        ...environment,
        RUSTC: "/usr/bin/rustc",
        RUSTC_BOOTSTRAP: "1",
        PATH: `/usr/bin:${Deno.env.get("PATH")}`,
      },
      versions: [
        `${await compiler("/usr/bin/rustc")} with std from source`,
        `lld ${await version(linker)}`,
        ...tools,
      ].join("; "),
    };
  }
  const installed = await output("rustup", ["target", "list", "--installed"]);
  if (installed.includes(TARGET)) {
    return {
      name: "rustup's wasm32 target",
      bin: "",
      mode: "no-install",
      arguments: [],
      flags: [],
      environment,
      versions: [`${await compiler("rustc")} from rustup`, ...tools].join("; "),
    };
  }
  throw new Error(
    `Rust for ${TARGET} not found: run "apt-get install rustc-web cargo-web rust-web-src clang-19 ` +
      `lld-19 llvm-19" on Debian, or "rustup target add ${TARGET}"`,
  );
}

/** Fails, with the command that installs it, if a program is missing or has another version. */
async function expect(program: string, wanted: string, crate: string = program): Promise<void> {
  const found = (await output(program, ["--version"])).trim();
  if (found === `${program} ${wanted}`) return;
  throw new Error(
    `${program} ${wanted} not found (${found || "not installed"}): run "cargo install ${crate} ` +
      `--version ${wanted}"`,
  );
}

async function compiler(rustc: string): Promise<string> {
  const text = await output(rustc, ["--version", "--verbose"]);
  const llvm = text.match(/^LLVM version: (.*)$/m)?.[1];
  return `${text.split("\n")[0]}, LLVM ${llvm}`;
}

/** The version of an LLVM tool, with the vendor's patch level if there is one. */
async function version(program: string): Promise<string> {
  const line = (await output(program, ["--version"])).split("\n")[0]!;
  return line.match(/\d+\.\d.*/)?.[0] ?? line;
}

async function first(...programs: string[]): Promise<string> {
  for (const program of programs) {
    if (await output(program, ["--version"])) return program;
  }
  throw new Error(`None of ${programs.join(", ")} is installed`);
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function output(program: string, args: string[]): Promise<string> {
  try {
    const { success, stdout } = await new Deno.Command(program, { args, stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout) : "";
  } catch {
    return "";
  }
}
