/**
 * The page of a terminal that speaks SSH in the browser, over a WebSocket to `relay.ts`. The private
 * key stays
 * in the memory of the page. The user enters the host key's fingerprint once; it is pinned from then on.
 */
import { connect, publicKey, webSocketTransport } from "@denossh/ssh";
import { importPrivateKey } from "@denossh/ssh/keys";
import { Terminal } from "npm:@xterm/xterm@6";

const terminal = new Terminal();
const form = document.querySelector("form");
const { hostKey } = form.elements;
const pinned = localStorage.getItem("hostKey");
if (pinned !== null) Object.assign(hostKey, { value: pinned, readOnly: true });

async function run(data) {
  const options = { passphrase: data.get("passphrase") };
  using key = importPrivateKey(await data.get("key").text(), options);
  await using host = await connect({
    transport: await webSocketTransport(new URL("/ssh", location.href.replace(/^http/, "ws"))),
    user: data.get("user"),
    auth: [publicKey(key)],
    hostKeys: data.get("hostKey"),
  });
  localStorage.setItem("hostKey", data.get("hostKey"));
  form.reset();
  form.hidden = true;
  terminal.open(document.querySelector("#terminal"));
  terminal.focus();
  await using shell = await host.shell({ pty: { columns: terminal.cols, rows: terminal.rows } });
  terminal.onData((text) => shell.send(text));
  terminal.onBinary((text) => shell.send(Uint8Array.from(text, (char) => char.charCodeAt(0))));
  for await (const chunk of shell.stdout) {
    await new Promise((shown) => terminal.write(chunk, shown)); // waits until the screen has drawn it
  }
  terminal.write("\r\n[The shell has ended]");
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const error = document.querySelector("output");
  error.textContent = "";
  run(new FormData(form)).catch((cause) => error.textContent = cause.message);
});
